"""The end of a task from outside, as the task sees it."""


class Ended(BaseException):
    """Somebody ends this task: what it began is to be taken back on the way out."""
