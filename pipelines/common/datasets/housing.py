"""California housing: districts of the census of 1990 with the median value of a house (R. K. Pace and R. Barry, "Sparse Spatial
Autoregressions", 1997), with missing bedrooms and a category added by A. Géron.

The sample is generated here: 1,000 districts that do not exist, with the same columns. Prices grow with income, by more where land
is dear: near the coast and the big cities; so a linear model falls well behind one that can multiply.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.common.datasets.definition import DataSet, Download, Release, Table

if TYPE_CHECKING:
    import numpy as np

COLUMNS = (
    "longitude",
    "latitude",
    "housing_median_age",
    "total_rooms",
    "total_bedrooms",
    "population",
    "households",
    "median_income",
    "median_house_value",
    "ocean_proximity",
)
ROWS, SEED = 1000, 1990
MISSING_SHARE = 0.01
LOWEST_VALUE, HIGHEST_VALUE = 14999.0, 500001.0

# Longitude, latitude, spread in degrees, and how much dearer than elsewhere houses at their centre are, as a logarithm.
CITIES = (
    (-118.25, 34.05, 0.35, 0.45),
    (-122.35, 37.75, 0.30, 0.60),
    (-117.15, 32.85, 0.25, 0.30),
    (-121.45, 38.55, 0.30, 0.05),
    (-119.80, 36.75, 0.45, -0.25),
    (-120.50, 37.50, 1.00, -0.10),
)
CITY_SHARES = (0.38, 0.22, 0.12, 0.09, 0.09, 0.10)
# Longitude and latitude of the coast, from south to north.
COAST = ((-117.1, 32.5), (-118.4, 33.75), (-119.2, 34.15), (-120.6, 34.55), (-121.9, 36.6), (-122.5, 37.6), (-123.8, 39.3), (-124.2, 41.9))
BAY, ISLAND = (-122.25, 37.75), (-118.35, 33.35)
ISLAND_ROWS = 6


def write_sample(folder: Path) -> None:
    """Writes `california_housing.csv` with 1,000 generated rows into a folder.

    Raises:
        OSError: the file can't be written.
    """
    with (folder / "california_housing.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(generated_rows(ROWS, SEED))


def generated_rows(count: int, seed: int) -> list[list[str]]:
    """Districts that do not exist.

    Args:
        count: how many, at least ISLAND_ROWS.
        seed: of all choices.

    Returns:
        Rows in the order of COLUMNS, values as the published file writes them; a missing one is empty.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    city = random.choice(len(CITIES), count, p=CITY_SHARES)
    centre, spread, premium = np.array(CITIES)[:, :2], np.array(CITIES)[:, 2], np.array(CITIES)[:, 3]
    place = centre[city] + random.normal(size=(count, 2)) * spread[city, np.newaxis]
    place = onto_land(place)
    place[:ISLAND_ROWS] = np.array(ISLAND) + random.normal(scale=0.03, size=(ISLAND_ROWS, 2))
    place = np.round(place, 2)
    coast = coast_distance(place)
    proximity = proximities(place, coast)

    income = np.round(np.clip(random.lognormal(1.2 + 0.4 * premium[city], 0.42), 0.5, 15.0001), 4)
    age = np.clip(np.round(random.normal(38 - 30 * np.minimum(np.abs(place - centre[city]).mean(axis=1), 0.8), 10)), 1, 52)
    households = np.maximum(np.round(random.lognormal(6.0, 0.65, count)), 3)
    rooms_each = np.clip(3.2 + 0.55 * income + random.normal(0, 0.6, count), 1.5, None)
    rooms = np.round(households * rooms_each)
    bedrooms = np.maximum(np.round(households * np.clip(1.05 + random.normal(0, 0.06, count), 0.8, None)), 1)
    crowding = np.clip(random.lognormal(1.05 - 0.06 * income, 0.25), 1.2, None)
    population = np.maximum(np.round(households * crowding), 3)

    distances = np.linalg.norm(place[:, np.newaxis] - centre, axis=2)
    land = (premium * np.exp(-((distances / (2 * spread)) ** 2))).sum(axis=1) + 0.75 * np.exp(-coast / 0.35)
    wealth = 1.15 * np.log1p(income / 2) + 0.02 * income
    old = 0.12 * ((age - 30) / 20) ** 2
    value = 33000 * np.exp(wealth + land + old - 0.12 * (crowding - 2.8) + random.normal(0, 0.16, count))
    value = np.clip(np.round(value, -2), LOWEST_VALUE, HIGHEST_VALUE)

    missing = random.permutation(count) < round(MISSING_SHARE * count)
    numbers = np.column_stack([place, age, rooms, bedrooms, population, households, income, value])
    return [
        ["" if missing[row] and column == "total_bedrooms" else str(cell) for column, cell in zip(COLUMNS, cells, strict=False)]
        + [proximity[row]]
        for row, cells in enumerate(numbers.tolist())
    ]


def coast_distance(place: np.ndarray) -> np.ndarray:
    """Degrees from places [N, 2] (longitude, latitude) east to the coast at their latitude; negative at sea."""
    import numpy as np

    longitudes, latitudes = np.array(COAST).T
    return np.asarray(place[:, 0] - np.interp(place[:, 1], latitudes, longitudes))


def onto_land(place: np.ndarray) -> np.ndarray:
    """Places [N, 2] within the state, those at sea mirrored at the coast."""
    import numpy as np

    place = np.clip(place, [-124.3, 32.55], [-114.4, 41.9])
    at_sea = np.minimum(coast_distance(place), 0)
    place[:, 0] -= 2 * at_sea - 0.02 * (at_sea < 0)
    return place


def proximities(place: np.ndarray, coast: np.ndarray) -> list[str]:
    """The category of places [N, 2] whose distances to the coast are given in degrees."""
    import numpy as np

    on_island = np.linalg.norm(place - ISLAND, axis=1) < 0.2
    by_bay = np.linalg.norm(place - BAY, axis=1) < 0.4
    found = np.where(coast < 0.25, "NEAR OCEAN", np.where(coast < 0.9, "<1H OCEAN", "INLAND"))
    names: list[str] = np.where(on_island, "ISLAND", np.where(by_bay, "NEAR BAY", found)).tolist()
    return names


HOUSING = DataSet(
    name="housing",
    description=(
        "sample: 1,000 generated districts; full: California housing of 1990, 20,640 districts, 207 without their number of bedrooms"
    ),
    formats=(
        "a .csv file (also .gz, .xz), or a folder of them, with the columns longitude, latitude, housing_median_age, total_rooms, "
        "total_bedrooms (may be empty), population, households, median_income (in 10,000 dollars), ocean_proximity (<1H OCEAN, INLAND, "
        "ISLAND, NEAR BAY or NEAR OCEAN) and median_house_value (in dollars)"
    ),
    write_sample=write_sample,
    table=Table(),
    releases=(
        Release(
            downloads=(
                Download(
                    file="california_housing.csv",
                    url="https://github.com/ageron/data/raw/main/housing.tgz",
                    sha256="2364609dc48bec7df3ba9dbb7041478e704ecddcee70ef1827ec3fc49d22c0cc",
                    size=409488,
                    member="housing/housing.csv",
                ),
            )
        ),
    ),
)
