"""What kevfs says of itself, in .kevfs, as a reader sees it. (metrics.py reads the metrics.)"""
import json


def read_report(m, name):
    with open(m.path(".kevfs", name), "rb") as f:
        return f.read()


def refuse(constant):
    raise ValueError(f"{constant} is no JSON")


def status(m):
    """It must be UTF-8, and JSON."""
    return json.loads(read_report(m, "status").decode(), parse_constant=refuse)
