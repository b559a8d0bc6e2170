"""Figures over customers, made where the customers are: none of them is fetched."""

from dataclasses import dataclass

from emerge_wasm import EmergeFile, fs


@dataclass
class Customer(EmergeFile):
    """A customer, and what they spent in a year."""

    country: str = ""
    revenue: float = 0.0
    orders: int = 0


COUNTRIES = ["AT", "CH", "DE", "FR"]
fs.storeall(
    Customer(
        name=f"c{number:03}", path="/customers", country=COUNTRIES[number % 4], revenue=10.0 * number, orders=number % 7
    )
    for number in range(200)
)
fs.index("/customers", "orders")
figures = fs.aggregate(
    "/customers",
    by="country",
    where=lambda c: c.orders > 0,
    customers="count",
    revenue=("sum", "revenue"),
    mean=("mean", "revenue"),
    top=("percentile", "revenue", 90),
)
for row in figures:
    print(row["country"], row["customers"], row["revenue"], round(row["mean"], 2), row["top"])
