
"""What the agent says, English and Chinese, with the talk of buttons that a GUI user would hear (`contract §10.2`)."""

from collections.abc import Mapping

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
    "raw_clip": (
        "Your raw clip is ready. You can preview it in the player while I add the finishing touches.",
        "原始片段已经生成。您可以在播放器中预览，我继续完善。",
    ),
    "generated": (
        "All done! Your timeline now has: {tracks}. Click the Export button in the top right corner to download it.",
        "全部完成！时间线现在包含：{tracks}。点击右上角的“导出”按钮即可下载。",
    ),
    "edited": (
        "Done. Your timeline now has: {tracks}. You can drag the tracks to adjust the timing.",
        "已完成。时间线现在包含：{tracks}。您可以拖拽轨道来调整时间。",
    ),
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
    "greeting": (
        "Hi! Upload a picture and tell me what to make of it. Open the media panel on the left to begin.",
        "您好！请上传图片并告诉我想做什么。打开左侧的素材面板即可开始。",
    ),
    "trailing_issue": (
        "I encountered a temporary issue. Please try again later.",
        "I encountered a temporary issue. 请稍后再试。",
    ),
    "default_title": ("A New Story", "新的故事"),
}


def say(key: str, *, chinese: bool, tracks: tuple[str, ...] = ()) -> str:
    """Return the text named `key`; `tracks` fills in the timeline where the text tells of it."""
    text = _TEXTS[key][1 if chinese else 0]
    return text.replace("{tracks}", ("、" if chinese else ", ").join(tracks))
