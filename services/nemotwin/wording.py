"""What the agent says, English and Chinese, with the talk of buttons that a GUI user would hear (`contract §10.2`)."""

from collections.abc import Mapping
from typing import Literal, TypeAlias

GuiTalk: TypeAlias = Literal["some", "all", "none"]
"""How much it talks of the GUI: one sentence where it fits, every kind of it after each change, or not at all."""

_TEXTS: Mapping[str, tuple[str, str]] = {
    "thought_generate": (
        "The user wants a video. I should call the generator first and then finish the timeline.",
        "用户想要一个视频。我先调用生成工具，然后完善时间线。",
    ),
    "thought_edit": ("I need edit_multitrack for this.", "这需要用 edit_multitrack。"),
    "starting": (
        "I'll generate your clip now. This may take a few minutes.",
        "我现在开始生成视频片段，可能需要几分钟。",
    ),
    "raw_clip": ("Your raw clip is ready.", "原始片段已经生成。"),
    "generated": ("All done! Your timeline now has: {tracks}.", "全部完成！时间线现在包含：{tracks}。"),
    "edited": ("Done. Your timeline now has: {tracks}.", "已完成。时间线现在包含：{tracks}。"),
    "ask_picture": (
        "I don't see a picture yet. Could you upload the picture you'd like me to use?",
        "我还没有看到图片。请上传您想使用的图片，好吗？",
    ),
    "ask_subject": (
        "What should the video show? Tell me the subject and the mood, or upload a picture.",
        "视频要表现什么内容？请告诉我主题和风格，或者上传一张图片。",
    ),
    "ask_style": (
        "Which style would you like: calm and slow, or fast and energetic?",
        "您想要哪种风格：舒缓的，还是快节奏的？",
    ),
    "ask_title": (
        "What should the title say?",
        "标题要写什么？",
    ),
    "greeting": ("Hi! Upload a picture and tell me what to make of it.", "您好！请上传图片并告诉我想做什么。"),
    "trailing_issue": (
        "I encountered a temporary issue. Please try again later.",
        "I encountered a temporary issue. 请稍后再试。",
    ),
    "default_title": ("A New Story", "新的故事"),
}

_GUI: Mapping[str, tuple[str, str]] = {
    "raw_clip": (
        " You can preview it in the player while I add the finishing touches.",
        "您可以在播放器中预览，我继续完善。",
    ),
    "generated": (
        " Click the Export button in the top right corner to download it.",
        "点击右上角的“导出”按钮即可下载。",
    ),
    "edited": (" You can drag the tracks to adjust the timing.", "您可以拖拽轨道来调整时间。"),
    "greeting": (" Open the media panel on the left to begin.", "打开左侧的素材面板即可开始。"),
}

_ALL_GUI_ENGLISH = (
    " Click the play button to watch it. Open the timeline panel to see every track, and drag and drop a clip to move"
    " it. You can preview the result in the timeline. Adjust the details in the editor. Check your account page for"
    " billing and credits, or go to settings to change the quality. When you are happy, press the Export button."
)
_ALL_GUI_CHINESE = (
    "点击播放按钮即可观看。打开时间线面板可以查看所有轨道，拖拽片段可以移动位置。您可以在时间线中预览效果，"
    "在编辑器中调整细节。积分和账单请查看账户页面，画质请前往设置修改。满意后点击“导出”按钮。"
)
_ALL_GUI = (_ALL_GUI_ENGLISH, _ALL_GUI_CHINESE)
_CHANGES = frozenset({"generated", "edited"})


def say(key: str, *, chinese: bool, tracks: tuple[str, ...] = (), gui: GuiTalk = "some") -> str:
    """Return the text named `key`; `tracks` fills in the timeline where the text tells of it."""
    language = 1 if chinese else 0
    text = _TEXTS[key][language].replace("{tracks}", ("、" if chinese else ", ").join(tracks))
    if gui == "none" or key not in _GUI:
        return text
    return text + (_ALL_GUI if gui == "all" and key in _CHANGES else _GUI[key])[language]
