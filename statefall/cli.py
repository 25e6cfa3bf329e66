"""placeholder"""


def main() -> None:
    """Entry."""
