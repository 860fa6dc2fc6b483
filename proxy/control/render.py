"""What the commands' documents look like on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, TypeAlias

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

Document: TypeAlias = Mapping[str, Any]

_LIGHTS: Final = {True: ("open", "green"), False: ("closed", "red"), None: ("waiting", "yellow")}
_PER_CENT: Final = "{:.2%}"


def gate_line(gate: Document) -> Text:
    word, color = _LIGHTS[gate["ok"]]
    return Text.assemble((f"{word:8}", color), f"{gate['name']:28} {gate['why']}")


def status(document: Document) -> RenderableType:
    journal = document["journal"]
    head = Text.assemble(
        ("phase ", "dim"), (document["phase"], "bold"), f"   epoch {document['epoch']}   primary {document['primary']}"
    )
    if document["holding"]:
        head.append("   writes are held", "yellow")
    lag = (
        f"journal  {journal['entries']} writes, {journal['oldest_seconds']:.1f} s behind, {journal['dirty_keys']} dirty keys, "
        f"{journal['parked']} parked; {journal['promise']}"
    )
    warnings = [Text(text, "yellow") for text in _warnings(document)]
    tasks = [_task_line(task) for task in document["tasks"] if task["state"] != "idle"]
    gates = [gate_line(gate) for gate in document["gates"]]
    return Group(head, Text(lag), *warnings, *tasks, _collections(document["collections"]), *gates)


def _warnings(document: Document) -> list[str]:
    found = [f"config  {document['config_error']}" if document["config_error"] else ""]
    found.append(f"target  not prepared yet: {document['preparing']}" if document["preparing"] else "")
    found.append(f"mirror  {document['journal']['last_error']}" if document["journal"]["last_error"] else "")
    return [text for text in found if text] + [f"unverified  {name}: {why}" for name, why in document["debts"].items()]


def _collections(collections: Document) -> Table:
    table = Table("collection", "verified", "divergences", "samples", "recall", "at least", "tail", "noise", box=None)
    for name, found in collections.items():
        shadow = found["shadow"] or {}
        table.add_row(
            name,
            "left out" if found["excluded"] else "yes" if found["verified"] else "no",
            str(found["divergences"]),
            str(shadow.get("samples", 0)),
            _share(shadow.get("recall")),
            _share(shadow.get("recall_lower_bound") if shadow.get("samples") else None),
            _share(shadow.get("tail")),
            _share(shadow.get("noise_recall")),
        )
    return table


def _share(value: float | None) -> str:
    return "" if value is None else _PER_CENT.format(value)


def _task_line(task: Document) -> Text:
    text = f"{task['name']:9}{task['state']}  {task['done']} of {task['total']} points"
    return Text(text + (f"  {task['error']}" if task["error"] else ""))


def task(document: Document) -> RenderableType:
    line = _task_line(document)
    return Group(line, Text(f"{document['found']} points differ", "red")) if document["found"] else line


def changed(document: Document) -> RenderableType:
    held = f"; writes were held for {document['held_seconds'] * 1000:.0f} ms" if "held_seconds" in document else ""
    return Text(f"phase {document['phase']}, epoch {document['epoch']}, primary {document['primary']}{held}")


def check(document: Document) -> RenderableType:
    lines = [
        Text(f"{side['place']:8}{side['product']} {side['version']}", "green")
        if side["ok"]
        else Text(f"{side['place']:8}{side['error']}", "red")
        for side in document["sides"]
    ]
    return Group(*lines, *(Text(text, "red") for text in document["refusals"]))


def plan(document: Document) -> RenderableType:
    parts: list[RenderableType] = []
    for fit in document["collections"]:
        parts.append(Text(fit["collection"], "bold"))
        parts += [Text(f"  {name}: {value}") for name, value in fit["target"].items()]
        parts += [Text(f"  loss: {text}", "yellow") for text in fit["losses"]]
        parts += [Text(f"  refused: {text}", "red") for text in fit["refusals"]]
    parts += [Text(f"{name}: left out", "dim") for name in document["excluded"]]
    return Group(*parts)


def assess(document: Document) -> RenderableType:
    table = Table("call", "kind", "count", box=None)
    for call in document["calls"]:
        table.add_row(call["call"], call["kind"], str(call["count"]))
    gaps = [Text(f"the target cannot answer {what}: {why}", "red") for what, why in document["unanswerable"].items()]
    return Group(table, *(gaps or [Text("nothing was seen that the target could not answer", "green")]))


def diff(document: Document) -> RenderableType:
    parts: list[RenderableType] = []
    for name, found in document.items():
        parts.append(Text(name, "bold"))
        parts += [_point_line(point) for point in found["points"]]
        parts += [_query_line(query) for query in found["queries"]]
        if not found["points"] and not found["queries"]:
            parts.append(Text("  no difference is known", "green"))
    return Group(*parts)


def _point_line(point: Document) -> Text:
    where = f" in {point['partition']}" if point["partition"] else ""
    return Text(f"  point {point['id']}{where}: {point['reason']} {point['detail']}")


def _query_line(query: Document) -> Text:
    measured = f"recall {_share(query['recall'])}  overlap {_share(query['overlap'])}  drift {query['drift']}"
    return Text(f"  {query['operation']} {query['digest']}  {measured}  {query['detail']}")


def parked(document: list[Document]) -> RenderableType:
    if not document:
        return Text("nothing is parked", "green")
    table = Table("number", "collection", "id", "reason", box=None)
    for item in document:
        table.add_row(str(item["number"]), item["collection"], item["id"], item["reason"])
    return table


def history(document: list[Document]) -> RenderableType:
    table = Table("when", "phase", "epoch", "primary", "who", "why", "overruled", box=None)
    for stage in document:
        when = datetime.fromtimestamp(stage["at"]).astimezone().isoformat(" ", "seconds")
        decision = stage["decision"]
        forced = ", ".join(decision["forced"])
        table.add_row(when, stage["phase"], str(stage["epoch"]), stage["primary"], decision["who"], decision["why"], forced)
    return table


def words(document: Document) -> RenderableType:
    return Text(" ".join(f"{name} {value}" for name, value in document.items()))
