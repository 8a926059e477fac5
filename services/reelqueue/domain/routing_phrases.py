"""The words by which a message is known to want no agent, English and Chinese (contract §10.1).

For each intent: what names it, and what else may stand in such a message. A clause that says anything beyond that is
about the film: "credits" asks for the balance, "add end credits" does not.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from reelqueue.domain.phrases import either, words


class Intent(enum.StrEnum):
    """What a message wants. Only `AGENT` costs credits."""

    EXPORT = "export"
    CREDITS = "credits"
    STATUS = "status"
    UPLOAD = "upload"
    AGENT = "agent"


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """`names` is what names the intent, `beside` is what may stand beside it."""

    names: re.Pattern[str]
    beside: re.Pattern[str]


def _pattern(english: str, chinese: str) -> re.Pattern[str]:
    return re.compile(f"{words(english)}|{either(chinese)}")


_SMALL_ENGLISH: Final = r"""
    please|pls|plz|kindly|hi|hello|hey|ok|okay|yes|yep|sure|now|just|then|and|also|again|already|right|away|asap|quickly
    can|could|would|will|may|shall|you|i|we|let|let'?s|me|us|my|our|your|i'?d|i'?m|i'?ve|like|want|need|wanna|to|go ahead
    the|a|an|this|that|it|its|it'?s|these|those|some|any|all|of|for|in|on|at|as|with|from|is|are|do|does|did|be|been|have|has|so|far
    thanks|thank you|thx|great|good|nice|perfect|cool|awesome|excellent|lovely|looks|look|all set|final|finally|done
    video|videos|clip|clips|film|movie|file|files|project|result|output|version
"""
_SMALL_CHINESE: Final = r"""
    请|請|麻烦|帮忙|帮|幫|给|給|現在|我们|我|你|您|的|了|吧|吗|呢|啊|呀|哦|嗯|好的|好|可以|能不能|能否|能|想要|想|要|需要|一下|现在|马上|立刻|快点|再|先|就|都|这个|那个|这|那|个|它
    把|将|为|成|到|是|下|谢谢|不错|很|太棒了|完美|可否|是否|直接|最终|最后|视频|影片|短片|成片|成品|文件|项目|結果|结果|版本|影像
"""
_FILE_ENGLISH: Final = r"""
    mp4|mov|webm|gif|avi|mkv|\d{3,4}(?:p|x\d{3,4})?|(?:high|hi|low|max|best|full)_(?:quality|res|resolution)|\d+k|uhd|full[_ ]?hd|hd|fps|\d+ ?fps|h\.?26[45]|hevc|high|higher|highest|low|lower|medium
    best|max|maximum|full|original|smaller|quality|resolution|format|size|definition|link|url|copy
    computer|desktop|phone|device|laptop|disk|drive|render|rendered|rendering|finished|how|where|when|ready
"""
_FILE_CHINESE: Final = r"""
    mp4|mov|webm|gif|\d{3,4}p|\d+k|高清|超清|标清|蓝光|原画|最高|最低|较高|较低|高|低|中等|质量|画质|分辨率|清晰度|格式|大小|链接|地址|电脑|手机|本地|桌面|怎么|如何|哪里
"""

VOCABULARIES: Final[Mapping[Intent, Vocabulary]] = MappingProxyType(
    {
        Intent.STATUS: Vocabulary(
            _pattern(
                r"""
                status|progress
                (?:show|list|view|see|display|print)(?: me)?(?: all)?(?: of)?(?: the| my| our)?(?: current| existing)? (?:tracks?|timeline)
                what'?s (?:done|in it|in there|in the (?:video|timeline|project)|on (?:it|the timeline|my timeline))
                what is (?:done|in it|in there|in the (?:video|timeline|project)|on (?:it|the timeline|my timeline))
                what does the timeline look like|what(?: tracks| do i have| have you done| has been done| have we got)
                (?:is|are) (?:it|you|we|the (?:video|render|export|job)|my (?:video|render|export)) (?:done|ready|finished|complete)
                how(?:'?s| is) (?:it|that|everything|the (?:video|render|export|job)) (?:going|coming(?: along)?|doing)
                how far(?: along)?|any (?:updates?|news)|where are we|timeline summary|list of tracks
                """,
                r"""
                现在什么样了?|什么样了|状态|狀態|进度|進度|进展
                (?:查看|显示|看看|看一下|看下|列出|展示|看)(?:所有|全部|当前|一下|我的)*(?:的)?(?:轨道|时间线|时间轴)
                有(?:哪些|什么|几个|几条)(?:轨道|内容)|(?:做|弄|进行|处理|渲染)到哪(?:里|儿)?了?|到哪一步了?
                (?:做|弄|处理|渲染|生成|导出)?(?:好了|完成了|完了|做完了|弄完了)(?:吗|没有?|么)|时间线(?:上)?(?:有|是)什么
                """,
            ),
            _pattern(
                _SMALL_ENGLISH
                + r"""
                what|what'?s|how|show|check|see|tell|give|get|know|view|display|query|current|currently|latest|overall|update|report|yet
                job|task|session|timeline|tracks?|export|exporting|render|rendering|upload|download|generation|still|going
                """,
                _SMALL_CHINESE
                + r"""
                查看|查询|查|看看|看|显示|告诉|知道|当前|目前|最新|如何|怎么样|怎样|什么|任务|工程|时间线|时间轴|轨道|导出|渲染|上传|下载|生成|处理|制作|情况
                """,
            ),
        ),
        Intent.EXPORT: Vocabulary(
            _pattern(
                r"""
                (?:re[-_]?)?export(?:ing|ed)?|download(?:ing)?
                (?:send|give|email) (?:it|me (?:it|the (?:final |finished )?(?:video|file|clip|result|movie|mp4|link|download link)))(?: to me)?
                send (?:the|my) (?:final |finished )?(?:video|file|clip|result|movie|mp4)(?: to me| over)?
                get (?:me )?(?:the|my) (?:final |finished )?(?:video|file|clip|result|movie|mp4)
                save|render it out
                """,
                r"""
                (?:重新|再次)?(?:导出|匯出|導出|输出)|下载|下載|保存|存到|存下来|发给我|发我|傳給我|传给我|发过来
                """,
            ),
            _pattern(_SMALL_ENGLISH + _FILE_ENGLISH, _SMALL_CHINESE + _FILE_CHINESE),
        ),
        Intent.CREDITS: Vocabulary(
            _pattern(
                r"""
                credits?|account balance|credit balance|balance|how many (?:do i have )?left|how many (?:are |is )?(?:left|remaining)
                how much (?:do i have )?(?:left|remaining)|top[-_ ]?up|recharge
                """,
                r"""
                积分|積分|余额|餘額|还剩多少|还有多少(?:次|积分|余额)?|剩多少|剩余(?:额度|次数|点数)|额度|充值|点数
                """,
            ),
            _pattern(
                r"""
                please|pls|hi|hello|hey|ok|okay|now|just|also|then|and|can|could|would|will|you|i|we|me|my|our|your|i'?d|want|need|like|to
                what|what'?s|is|are|do|does|did|have|has|had|got|get|left|remaining|remain|remains|still|how|many|much|more|any|some|of
                show|check|see|tell|give|know|view|display|query|current|currently|available|total|frozen|free|account|in|on|for|there
                buy|purchase|get more|spent|used|use|cost|run out|run|out|so far|the|a|thanks|thank you|this (?:video|job|edit)|it cost
                """,
                r"""
                请|麻烦|帮|给|我们|我|你|您|的|了|吧|吗|呢|啊|好的|好|可以|能|想要|想|要|需要|一下|现在|还|有|多少|几个|几|个|点|是|剩余|剩|剩下|余
                查看|查询|查|看看|看|显示|告诉|知道|当前|目前|账户|账号|帐户|可用|总|冻结|里|里面|用|花|消耗|购买|买|怎么|如何|够|不够|够不够|谢谢
                """,
            ),
        ),
        Intent.UPLOAD: Vocabulary(
            _pattern(
                r"(?:re[-_]?)?upload(?:ing)?|attach(?:ing|ed)?(?: is| are)?",
                r"上传|上傳|传图|传照片|传文件",
            ),
            _pattern(
                _SMALL_ENGLISH
                + r"""
                here|here'?s|photos?|pictures?|pics?|images?|pngs?|jpe?gs?|webp|heic|mp3|wav|mp4|mov|gif|music|audio|songs?|footage|material
                materials|media|assets?|logo|one|two|three|four|five|\d+|another|more|new|other|how|where|add|link|url|computer|desktop|phone
                """,
                _SMALL_CHINESE
                + r"""
                图片|照片|图|相片|素材|音乐|音频|歌曲|歌|视频|材料|媒体|logo|标志|一张|几张|两张|三张|一个|张|几|一|两|三|多|\d+|新|另|别的|其他|更|些|怎么|如何|哪里|电脑|手机|本地
                """,
            ),
        ),
    }
)
"""In the order in which they are asked: "export status" is about the state, "upload progress" too."""

MAKES_ANEW: Final = _pattern(
    r"""
    regenerat\w+|redo|start over|again from scratch|generates?|creates?|creating|mak(?:e|ing) (?:me )?(?:a|an|another|the|this|it|my)
    storyboards?|script breakdown|scene list
    """,
    r"重新生成|重新做|再来一个|再来一次|再做|重做|生成(?!好|完|进度|状态|到|情况)|分镜|脚本拆解",
)
"""Always the agent's, whatever stands beside it."""

CHATTER: Final = re.compile(
    r"^\W*(?:"
    + _pattern(
        r"""
        (?:that|it|this|everything|all)(?:'?s| is| looks| sounds| seems)?(?: really| so| very| just| all)*
        (?:i|we)(?:'?m| am| are)?(?: really| so| just)? (?:happy|fine|done|(?:love|like)(?: it(?: already| too)?| (?:the|this|that|how)(?: (?!more|less|with|\w+er\b)\w+)?)?)
        looks?|good|great|perfect|fine|nice|awesome|amazing|cool|excellent|lovely|wonderful|beautiful|super|works?(?: for me)?
        thanks|thank you|thx|cheers|ok|okay|yes|yep|sure|hi|hello|hey|please|now|well done|good job|nice work|i'?m done|wow|it|with|to me|so|very|much|a lot
        """,
        r"很好|太好了|不错|完美|谢谢|好的|好|可以|满意|我|很|喜欢|非常|没问题|就这样|太棒了|棒|行|嗯|了|的|你好|您好|吧",
    ).pattern
    + r"|\W)*$"
)
"""A clause that praises, thanks or greets, and asks for nothing. "I like the red" does, "I like red" is a wish."""
