"""How the agent talks to somebody in front of a screen, English and Chinese (contract §10.2).

All of it is about what a *user* is told to do: an order at the beginning of a clause, or "you can …". The same words
tell of content elsewhere ("a click sound", "the girl opens a window", "I dragged the title to 3s"), and stay.
A clause comes in lower case, with everything quoted blanked out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

from reelqueue.domain.phrases import either

Hint = Literal["export", "credits", "upload", "edit", "state"]
"""What a GUI instruction comes down to: start the export, read credits, add a file, send an edit, read the state."""

# --- English ----------------------------------------------------------------------------------------------------------

_ADVERB: Final = either(
    r"""
    please|just|simply|then|now|also|next|first|finally|directly|easily|manually|always|either|instead|optionally
    go ahead and|alternatively|try|feel free to|be sure to|make sure to|remember to|don['’]t forget to
    and|or|so|but|to do (?:so|this|that)
    """
)
_MODAL: Final = either(
    r"""
    can|could|may|might|should|must|will|would|need to|have to|want to|wish to|like to|able to|ready to|free to|are|be
    only|still|now|also|then|simply|just|always|easily|directly|manually
    """
)
_YOU: Final = rf"you(?:['’](?:ll|d|re))?\s+(?:{_MODAL}\s+)*+"
_ORDER: Final = either(
    rf"""
    ^[\W\d_]*(?:{_ADVERB}[\s,]+)*+(?:{_YOU})?
    \b{_YOU}
    \b(?:by|simply|after|before|when|once|if|until)\s+(?:{_YOU})?
    """
)
"""Where an order to the reader may begin: at the head of a clause, or after "you can"."""

_SURFACE: Final = either(
    r"""
    panels?|menus?|sub-?menus?|buttons?|tabs?|tool ?bars?|side ?bars?|editor|timeline|players?|settings|preferences
    dashboard|workspace|window|dialog(?:ue)?|drop-?downs?|icons?|inspector|(?:media )?library|media (?:bin|pool|tab)
    page|screen|app|browser|canvas|preview (?:area|pane)|console|interface|account|profile|billing
    """
)
"""Parts of an editor, named where only an editor can be meant."""
_DESTINATION: Final = either(
    r"""
    settings|preferences|dashboard|panels?|menus?|tabs?|toolbars?|sidebars?|editor|timeline|workspace|media library
    account|billing|profile|console|home ?page
    (?:export|project|settings|billing|account|download|media) (?:page|screen|window|view)
    """
)
"""Parts of an editor one can be sent to. A film has players, windows and screens of its own."""
_PRESSED: Final = either(
    r"""
    on|the|your|this|that|it|any|here|["“'‘「*`\[]|export|download|save|play|upload|render|share|done|ok|apply|enter
    space|ctrl|cmd|delete|next|continue|confirm|generate|preview|publish|add|split|undo|redo|edit|settings
    """
)
_CONTROL: Final = r"(?:buttons?|icons?|menus?|tabs?|panels?|toolbars?|sliders?|handles?|drop-?downs?|sidebar|inspector)"
_THE: Final = r"(?:the |your |our )?"
_PLACE: Final = rf"(?:in|on|from|inside|within|using|via|with|through|at|over)\s+{_THE}(?:[\w-]+ ){{0,3}}?{_SURFACE}\b"
_FEW: Final = r"(?:[^\s.!?,]+ ){0,4}?"
_NOISE: Final = r"(?!-?\s?(?:sounds?|tracks?|effects?|noises?|bait|through)\b)"
_LOOK: Final = "(?:preview|watch|view|see|check|review|play)"
_PICK: Final = "(?:use|using|find|finding|look for|locate|select|selecting|choose|choosing|pick|picking)"
_GO: Final = "(?:go|head|navigate|navigating|switch|return|scroll|jump|move|moving)"
_CHANGE: Final = either(
    """
    adjust|chang|edit|tweak|fine-?tun|customi[sz]|trim|modif|mov|resiz|rearrang|reorder|arrang|delet|replac|manag
    """
)
_PRONOUN: Final = "(?:it|this|that|the|your)"

_ENGLISH: Final = either(
    rf"""
    {_ORDER}(?:double[- ]|right[- ]|left[- ])?click(?:ing)?\b{_NOISE}
    {_ORDER}(?:tap(?:ping)?|press(?:ing)?|hit(?:ting)?)\s+{_PRESSED}
    (?<!\ba )(?<!mouse )(?<!shutter )\bclick(?:ing)?\s+(?:on\s+)?(?:the|your|this|that)\s+[^.!?]{{0,40}}?\b{_CONTROL}\b
    {_ORDER}(?:re)?open(?:ing)?(?:\s+up)?\s+{_THE}{_FEW}(?:{_SURFACE}|project|link|draft)\b
    {_ORDER}(?:drag(?:ging)?\b(?! rac)|drop(?:ping)?\s+(?:it|them|the|your|this|a|any)\b)
    \bdrag[- ](?:and|&|n)[- ]drop\b
    \b(?:export|download|save|render|publish)\s+(?:button|icon|menu|option)\s+(?:is|are|sits|appears|can be found|will be)\b
    {_ORDER}{_LOOK}(?:ing)?\b[^.!?]{{0,60}}?\b{_PLACE}
    \b{_YOU}preview\b
    {_ORDER}{_PICK}\b[^.!?]{{0,50}}?\b(?:{_CONTROL}\b|{_PLACE})
    \b{_YOU}(?:export|download)\b
    {_ORDER}(?:export|download|sav)(?:e|ing)?\s+{_PRONOUN}\b[^.!?]{{0,40}}?\b{_PLACE}
    {_ORDER}(?:check|visit|view|manage|upgrade|open)(?:ing)?\s+{_THE}(?:nemo\w* )?(?:account|billing|subscription)\b
    {_ORDER}(?:check|visit|view|manage|upgrade)(?:ing)?\s+(?:your (?:current )?(?:plan|balance|credits)|{_THE}credit balance)\b
    {_ORDER}{_GO}(?:ing)?\s+(?:back |over |down |up )*(?:to|into)\s+{_THE}{_FEW}{_DESTINATION}\b
    {_ORDER}(?:visit|access|enter)(?:ing)?\s+{_THE}(?:[\w-]+ ){{0,3}}?{_DESTINATION}\b
    {_ORDER}{_CHANGE}(?:e|ing|y|ying)?\b[^.!?]{{0,60}}?\b{_PLACE}
    """
)

# --- Chinese ----------------------------------------------------------------------------------------------------------

_HAN_ADVERB: Final = either(
    """
    请|先|再|然后|接着|最后|直接|只需要?|只要|需要|可以|可|也可以|也可|还可以|您|你|就|即|并|或者?|或是|随时|现在|通过
    手动|自行|轻松|想要|要|用鼠标|用手指|如需|如果|若|当|以|来
    """
)
_HAN_ORDER: Final = rf"(?:^[\W\d_]*{_HAN_ADVERB}*+|[您你]{_HAN_ADVERB}*+)"
_HAN_SURFACE: Final = either(
    """
    面板|菜单|按钮|选项卡|标签页?|工具栏|侧边栏|侧栏|编辑器|时间[线轴]|轨道区|播放器|设置|偏好|控制台|仪表[盘板]|工作台
    工作区|窗口|对话框|下拉|图标|属性栏|素材库|媒体库|页面|界面|网页|浏览器|账户|账号|个人中心|预览区|预览窗|画布|主页
    首页|后台
    """
)
_HAN_PRESS: Final = "(?:单击|双击|右击|点击|点一下|点选|按下|轻点|轻触|长按|點擊)"
_HAN_ACCOUNT: Final = "(?:账户|账号|账单|订阅|套餐|计费|余额|积分余额|会员)"
_SHORT: Final = "[^。！？，]{0,16}"

_CHINESE: Final = either(
    rf"""
    {_HAN_ORDER}{_HAN_PRESS}(?!音效|声|了|过)
    (?:导出|匯出|下载|保存)(?:按钮|图标|菜单)(?:就?在|位于|会出现)
    {_HAN_PRESS}[^。！？]{{0,20}}(?:按钮|图标|菜单|选项|面板|链接)
    {_HAN_ORDER}(?:打开|開啟|开启|展开)(?!了|过){_SHORT}{_HAN_SURFACE}
    {_HAN_ORDER}(?:[将把]{_SHORT})?(?:拖拽|拖动|拖放|拖曳|拖到|拖入|拖进|拖至)(?!了|过)
    {_HAN_ORDER}在{_SHORT}{_HAN_SURFACE}[^。！？，]{{0,6}}(?:预览|查看|播放|观看|调整|修改|编辑|剪辑|移动|拖|选择|找到)
    [您你]{_HAN_ADVERB}*+(?:预览|導出|导出|下载)
    {_HAN_ORDER}(?:使用|找到|选择|选中){_SHORT}(?:按钮|图标|菜单|滑块|面板|工具栏|选项卡|下拉)
    {_HAN_ORDER}(?:查看|检查|前往|进入|登录|管理|升级)(?:您的?|你的?)?(?:当前)?{_HAN_ACCOUNT}
    {_HAN_ORDER}(?:前往|进入|转到|跳转到?|切换到|回到|去|访问|返回){_SHORT}{_HAN_SURFACE}
    """
)

# --- both -------------------------------------------------------------------------------------------------------------

GUI: Final = re.compile(f"{_ENGLISH}|{_CHINESE}")
"""A clause that this finds something in tells the reader what to do on a screen."""

_WORDS_SHOWN: Final = either(
    """
    titles?|text|captions?|headings?|headlines?|subtitles?|says?|saying|reads?|reading|slogans?|taglines?|cta
    call to action|credits
    """
)
_STORY: Final = "(?:prompts?|scripts?|narration|voice-?overs?|lyrics|scenes?|shots?|storyboard)"
CONTENT_FOLLOWS: Final = re.compile(
    rf"\b{_WORDS_SHOWN}\b[^:：]{{0,30}}[:：]\s*$|(?:标题|字幕|文字|文案)[^:：]{{0,12}}[:：]\s*$"
)
"""After this the next clause is what the picture shows, not what the reader shall do."""
STORY_FOLLOWS: Final = re.compile(
    rf"\b{_STORY}\b[^:：]{{0,30}}[:：]\s*$|(?:旁白|脚本|台词|镜头|场景|分镜|画面)[^:：]{{0,12}}[:：]\s*$"
)
"""After this the rest of the sentence tells what happens in the film."""

SPEAKS_OF_ITSELF: Final = re.compile(
    r"^[\W\d_]*(?:(?:and|so|then|now|ok|okay|next|first|finally|also|but)[\s,]+)*+"
    r"(?:i|i['’](?:ve|ll|d|m)|we|we['’](?:ve|ll|re|d)|let me|let['’]s|allow me)\b(?!.*\byou\b)"
    r"|^[\W\d_]*(?:现在|然后|接下来|接着|好的?)?(?:我|已|正在|让我)(?!.*[您你])"
)
"""The agent says what it does itself: no GUI talk, whatever it calls it."""

HINTS: Final[Mapping[Hint, re.Pattern[str]]] = MappingProxyType(
    {
        "export": re.compile("export|download|render|save|导出|匯出|導出|下载|保存|渲染"),
        "credits": re.compile(
            r"account|billing|subscri|credits?\b|balance|upgrade|top[- ]?up|\bplans?\b"
            "|账户|账号|账单|订阅|套餐|计费|余额|积分|充值|升级|会员"
        ),
        "upload": re.compile("upload|import|上传|导入"),
        "edit": re.compile(
            r"\bdrag|\bdrop|\bedit(?!or)|slider|" + _CHANGE + "|拖|调整|修改|编辑(?!器)|移动|删除|替换|滑块|裁剪"
        ),
        "state": re.compile(
            r"preview|watch|view|\bsee\b|check|\bplay|open|\bgo(?:ing)?\b|head|navigat|switch"
            "|预览|查看|播放|观看|打开|开启|前往|进入|切换|回到"
        ),
    }
)
"""What a GUI clause is about, the first that fits; a click on who knows what is an edit."""
