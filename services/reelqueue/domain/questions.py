"""Whether the agent wants something of the owner, or is only polite. By rule, English and Chinese.

A question pauses the job until its owner answers, so a courtesy taken for a question costs hours, and a question taken
for a courtesy costs a run without an edit. The timeline decides between them: an agent that has done something has its
answer; only a plain request for what it lacks still counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from reelqueue.domain.phrases import either, words
from reelqueue.domain.quoted import without_quotes
from reelqueue.domain.sentences import sentences

LONGEST_QUESTION: Final = 2000
"""How much of the agent's text is shown as its question, in characters."""
LONGEST_SENTENCE: Final = 1000
"""How much of a sentence is looked at, from its end."""

_COURTESY: Final = re.compile(
    words(
        r"""
        anything else|something else|what else|what(?:['’]s| is)? next|next steps?|what do you think
        how (?:does|do|is) (?:it|that|this|everything|these|the \w+)(?: \w+)? (?:look|sound|feel)|how(?:['’]?s| is) (?:that|this|it)
        (?:any|further|more|other|additional|some) (?:\w+ ){0,2}(?:changes?|tweaks?|adjustments?|edits?|requests?|feedback|help)
        (?:any|other|more|further) (?:other )?questions?
        let me know (?:if|when|what you think|how (?:it|you)|any\w*)|feel free|if you (?:need|want|have|would like)|if you['’]d like
        happy with|(?:do|did) you like|like (?:it|what)|ready (?:to|for) (?:export|download|render)
        (?:like|want|need) (?:me |us )?(?:to )?(?:\w+ )?(?:export|download|render|preview|save)(?: \w+)*
        (?:shall|should|can|may) i (?:now |go ahead and )?(?:export|download|render)
        would you like (?:me )?to (?:make (?:any|further|more|other)|do anything|keep|continue editing|try another|see (?:it|the))
        would you like (?:me )?to (?:add|change|adjust) (?:anything|something)
        what would you like to (?:do|change|add|adjust|try)(?: or \w+)* next
        (?:anything|something) (?:you(?:['’]d)? (?:would )?(?:like|want)|more|to change|i can)|try again(?: later)?
        """
    )
    + "|"
    + either(
        """
        还有(?:什么|其他|其它|别的|没有)|还需要|还想|其他(?:需要|要求|修改|需求)|进一步(?:调整|修改)|满意|喜欢(?:吗|这)|下一步
        (?:需要|要|是否|可以|想)我?(?:帮您|帮你|为您|现在|直接)?(?:需要)?(?:导出|下载|预览|渲染)
        觉得(?:怎么样|如何)|(?:效果|看起来|听起来)(?:怎么样|如何)|稍后再试|请稍[候等]
        随时(?:告诉|联系|跟我|和我)|如(?:果|需|有)[^。！？]{0,20}(?:告诉|联系|说|提出)
        有(?:什么|任何)(?:其他)?(?:需要|要求|修改|想法|问题|建议)
        """
    )
)
"""Said to be friendly, whatever mark it ends with. An offer to export is one: the gateway does that by itself."""

_GIVE: Final = either(
    """
    provide|upload|share|send|attach|tell me|specify|clarify|confirm|choose|select|pick|describe|give me|let me know
    indicate|explain|paste|name|decide|answer|reply
    """
)
_LACKING: Final = (
    r"(?:more|some|a|an|the|your|one|two|at least) (?:\w+ ){0,4}?(?:pictures?|photos?|images?|videos?|clips?|files?|footage"
    r"|details?|information|info|description|logo|music|song|text|title|script|url|link|topic|idea|subject|answer|input)"
)
_REQUEST: Final = re.compile(
    words(
        rf"""
        (?:could|can|would|will) you (?:please |kindly |first |also )*{_GIVE}
        (?:please|kindly) (?:first )?{_GIVE}
        (?:i|we)(?:['’]ll| will)?(?: still| also| just| first)? need (?:you to|to know|{_LACKING})
        do you (?:have|prefer|mean)|which (?:one|of (?:the|these|those|them|your))
        tell me (?:which|what|how|more|the|about|where|whether|if)
        let me know (?:which|what|how (?:many|long)|where|whether you)
        waiting for your (?:answer|reply|input|choice|decision)
        """
    )
    + r"|\b(?:what|which|who|where|how (?:many|long|much|should|would|do you want)|when)\b[^?]{0,120}"
    + words("should|would you|do you|are you|did you|shall|you['’]d|you would|to use|works? best|prefer")
    + "|"
    + either(
        """
        请问|需要(?:您|你)
        请(?:您|你)?(?:先|再)?(?:上传|提供|告诉|告知|选择|确认|描述|说明|指定|补充|发送|回复|输入|分享|给我)
        [您你](?:更|还)?(?:想要?|希望|需要|喜欢|打算|倾向|偏好|想用)[^。！]{0,30}(?:什么|哪|怎样|怎么|多[少长]|几|还是|谁|何)
        (?:哪|什么|多少|几)[^。！？]{0,20}[？?]
        能否(?:上传|提供|告诉|说明|确认)|可以(?:上传|提供|告诉|说明)[^。！]{0,20}吗
        """
    )
)
"""Asks for something the agent cannot go on without."""

_ASKS: Final = re.compile(r"[?？]|[吗呢]\s*[。.!！]?\s*$")
_OPEN: Final = re.compile(
    words(
        "(?:how|what) (?:can|may) i (?:help|do for|assist)|what (?:would|do) you (?:like|want)(?: me)?(?: to)?(?: \\w+)?"
    )
    + "|有什么可以帮|需要我做什么"
)
"""An open door. No question where something was done; where nothing was, the agent waits for an instruction."""


def question_in(texts: Sequence[str], *, changed: bool) -> str | None:
    """The text in which the agent asks its owner for something, shortened, or `None` when it does not.

    `changed` says whether the turn changed the session. Then only the last text counts, and in it only a request; else
    any question in any text does that is no courtesy.
    """
    spoken = [text for text in texts if text.strip()]
    for text in reversed(spoken[-1:] if changed else spoken):
        if any(_is_question(sentence, changed=changed) for sentence in _lines_of(text)):
            return text.strip()[:LONGEST_QUESTION]
    return None


def _is_question(sentence: str, *, changed: bool) -> bool:
    asks = _ASKS.search(sentence) is not None
    if _COURTESY.search(sentence):
        return False
    if _OPEN.search(sentence):
        return asks and not changed
    if _REQUEST.search(sentence):
        return True
    return asks and not changed


def _lines_of(text: str) -> Iterator[str]:
    """The sentences, in lower case, quotations blanked: a title with a question mark asks nothing."""
    for line in without_quotes(text).lower().split("\n"):
        for start, end in sentences(line):
            yield line[max(start, end - LONGEST_SENTENCE) : end]
