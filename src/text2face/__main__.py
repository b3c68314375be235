"""`python -m text2face`."""

from text2face.cli import main

if __name__ == "__main__":
    main()
