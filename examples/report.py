"""A report with pandas, made where the sales are: `emerge node start --preload pandas`. Here no pandas is needed."""

from dataclasses import dataclass
from typing import Any

from emerge_wasm import EmergeFile, fs


@dataclass
class Sale(EmergeFile):
    """So many of an article, sold in a month."""

    article: str = ""
    month: int = 0
    count: int = 0


@dataclass
class SalesReport(EmergeFile):
    """What was sold, by article and quarter."""

    path_of_sales: str = "/sales"

    def query(self, fs) -> list[dict[str, Any]]:
        """The sum and the best month of each."""
        import pandas

        sales = pandas.DataFrame([vars(sale) for sale in fs.objects(self.path_of_sales)])
        sales["quarter"] = (sales["month"] + 2) // 3
        rows = sales.groupby(["article", "quarter"])["count"].agg(["sum", "max"]).itertuples()
        return [{"article": row.Index[0], "quarter": row.Index[1], "sum": row.sum, "best": row.max} for row in rows]


fs.storeall(
    Sale(name=f"{article}-{month:02}", path="/sales", article=article, month=month, count=month * factor)
    for article, factor in [("bolt", 3), ("gear", 1)]
    for month in range(1, 7)
)
fs.store(SalesReport(name="sales", path="/reports"))
for row in fs.query("/reports/sales"):
    print(row)
