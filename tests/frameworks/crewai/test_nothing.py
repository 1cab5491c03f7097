"""Placeholder."""


def test_x() -> None:
    import crewai

    assert crewai
