"""Pages."""


def install(app, rooms):
    pass
