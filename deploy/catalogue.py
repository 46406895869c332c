"""Write `domain/CATALOGUE.md` again from the definitions of the events: `make catalogue`."""

from __future__ import annotations

from pathlib import Path

from domain.catalogue import page

PAGE = Path(__file__).resolve().parents[1] / "domain" / "CATALOGUE.md"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE}: written")


if __name__ == "__main__":
    main()
