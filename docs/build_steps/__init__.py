"""What the build of the documentation makes from the code: reference pages and pictures."""
