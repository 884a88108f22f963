"""The parts of which a message is made, and the form of each."""

from enum import StrEnum


class Part(StrEnum):
    #: The title in the app, which is also the e-mail's heading.
    TITLE = "title"
    #: The text in the app: one or two sentences.
    TEXT = "text"
    SUBJECT = "subject"
    #: What a mail program shows beside the subject: the next step and the amount.
    PREHEADER = "preheader"
    #: The colored word above the e-mail's heading: "Approved".
    STATE = "state"
    #: The e-mail's sentence. Without one, the text in the app is used.
    SENTENCE = "sentence"
    #: What a person wrote, quoted; who, on the last line.
    NOTE = "note"
    #: "Label: value" on each line.
    FACTS = "facts"
    #: The label of the button.
    ACTION = "action"
    #: The text message.
    SMS = "sms"
    #: Why the recipient gets the e-mail, in its footer: "because you manage the repairs".
    WHY = "why"


class Form(StrEnum):
    #: One line.
    LINE = "line"
    #: Plain text; its line breaks stay.
    TEXT = "text"
    #: Text with the tags of `safe_html.ALLOWED`.
    HTML = "html"
    #: Lines of which the last one says whose words the others are.
    NOTE = "note"
    #: Lines of "Label: value".
    FACTS = "facts"


FORM: dict[Part, Form] = {
    **dict.fromkeys(Part, Form.LINE),
    Part.TEXT: Form.TEXT,
    Part.SENTENCE: Form.HTML,
    Part.NOTE: Form.NOTE,
    Part.FACTS: Form.FACTS,
}
OPTIONAL = frozenset({Part.PREHEADER, Part.STATE, Part.SENTENCE, Part.NOTE, Part.FACTS, Part.WHY})
REQUIRED = frozenset(Part) - OPTIONAL
#: Rendered once for all readers of a language, so nothing in them may be about one recipient.
SHARED = frozenset({Part.TITLE, Part.TEXT})
