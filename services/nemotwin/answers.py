"""Read a message in the light of what the agent asked before: an answer continues what the question held up."""

from dataclasses import replace

from nemotwin.agent import Intent, Plan, decide
from nemotwin.edits import AddTitle
from nemotwin.instruction import Instruction, read
from nemotwin.sessions import Session

TITLE_QUESTION = "ask_title"


def understand(message: str, session: Session) -> tuple[Instruction, Plan]:
    """Return what the message means in this session, and what to do about it.

    Whoever has answered a question is not asked another: the answer is taken as the title, if the title was asked
    for, and else as more of the same instruction. Without anything to show it counts as the subject of a video.
    """
    scene = session.scene()
    if session.question is None:
        instruction = read(message)
        return instruction, decide(instruction, scene)
    if session.question_kind == TITLE_QUESTION:
        instruction = _titled(read(session.question), message)
    else:
        instruction = read(f"{session.question}\n{message}")
    answered = replace(
        instruction,
        asks_to_be_asked=False,
        names_picture=False,
        vague=False,
        generates=instruction.generates or not (scene.has_media or scene.has_clip),
    )
    return answered, decide(answered, scene)


def remember(session: Session, instruction: Instruction, plan: Plan) -> None:
    """Keep what a question holds up for the answer; after anything else nothing is open."""
    asks = plan.intent is Intent.ASK
    session.question = instruction.text if asks else None
    session.question_kind = plan.wording if asks else None


def _titled(instruction: Instruction, answer: str) -> Instruction:
    """Put the answer in the place of the first title; what else looked like a title was the wish to be asked."""
    text = answer.strip().strip("\"'“”「」《》").strip()[:80] or "Title"
    titles = [edit for edit in instruction.edits if isinstance(edit, AddTitle)]
    edits = tuple(
        AddTitle(text, edit.ms) if edit is titles[0] else edit
        for edit in instruction.edits
        if edit is titles[0] or not isinstance(edit, AddTitle)
    )
    return replace(instruction, text=f"{instruction.text}\n{answer}", edits=edits)
