"""The part of the field that is analysed, and the boxes of earlier programs."""

from dataclasses import dataclass

from ace_nwb.errors import ParameterError


@dataclass(frozen=True)
class CropBox:
    """A box of the field in array coordinates: row 0 on top, half-open.

    Parameters
    ----------
    row_start, row_stop
        First row, and the row after the last.
    column_start, column_stop
        First column, and the column after the last.
    """

    row_start: int
    row_stop: int
    column_start: int
    column_stop: int

    @property
    def shape(self) -> tuple[int, int]:
        """(n_rows, n_columns) of the box."""
        return self.row_stop - self.row_start, self.column_stop - self.column_start

    @property
    def limits(self) -> tuple[int, int, int, int]:
        """(row_start, row_stop, column_start, column_stop)."""
        return self.row_start, self.row_stop, self.column_start, self.column_stop

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices of the box."""
        return slice(self.row_start, self.row_stop), slice(self.column_start, self.column_stop)


def resolve_crop(
    field_shape: tuple[int, int],
    *,
    crop_row_start: int = 0,
    crop_row_stop: int | None = None,
    crop_column_start: int = 0,
    crop_column_stop: int | None = None,
) -> CropBox:
    """Return the crop box of a field, with open ends filled in.

    Parameters
    ----------
    field_shape
        (n_rows, n_columns) of the raw movie.
    crop_row_start, crop_row_stop, crop_column_start, crop_column_stop
        Half-open limits in pixels; None stands for the edge of the field.

    Raises
    ------
    ParameterError
        If the box is empty or reaches beyond the field.
    """
    n_rows, n_columns = field_shape
    box = CropBox(
        crop_row_start,
        n_rows if crop_row_stop is None else crop_row_stop,
        crop_column_start,
        n_columns if crop_column_stop is None else crop_column_stop,
    )
    rows_fit = 0 <= box.row_start < box.row_stop <= n_rows
    columns_fit = 0 <= box.column_start < box.column_stop <= n_columns
    if not (rows_fit and columns_fit):
        raise ParameterError(
            f"The crop is rows {box.row_start} to {box.row_stop}, columns {box.column_start} to "
            f"{box.column_stop}. Expected a box with start < stop inside the field of {n_rows} "
            f"rows and {n_columns} columns. Change the crop_* parameters."
        )
    return box


def crop_from_legacy(x0: float, y0: float, x1: float, y1: float, movie_height: int) -> CropBox:
    """Convert a box drawn with the origin at the lower left into array coordinates.

    Parameters
    ----------
    x0, y0, x1, y1
        Two opposite corners, in any order; x to the right, y upwards, pixels.
    movie_height
        Number of rows of the movie.
    """
    columns = sorted((round(x0), round(x1)))
    rows = sorted((movie_height - round(y0), movie_height - round(y1)))
    return CropBox(rows[0], rows[1], columns[0], columns[1])
