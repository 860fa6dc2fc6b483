"""What the commands' documents look like on a terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

Document: TypeAlias = Mapping[str, Any]

_LIGHTS: Final = {True: ("open", "green"), False: ("closed", "red"), None: ("waiting", "yellow")}
_PER_CENT: Final = "{:.2%}"


def gates(found: Sequence[Document]) -> Table:
    table = _table()
    for gate in found:
        word, color = _LIGHTS[gate["ok"]]
        table.add_row(Text(word, color), Text(gate["name"], no_wrap=True), gate["why"])
    return table


def _table(*columns: str) -> Table:
    """Names stay whole; the last column takes what is left."""
    table = Table(box=None, show_header=bool(columns), pad_edge=False, header_style="dim")
    for name in columns:
        table.add_column(name, no_wrap=name != columns[-1])
    return table


def status(document: Document) -> RenderableType:
    head = Text.assemble(
        ("phase ", "dim"), (document["phase"], "bold"), f"   epoch {document['epoch']}   primary {document['primary']}"
    )
    if document["holding"]:
        head.append("   writes are held", "yellow")
    warnings = [Text(text, "yellow") for text in _warnings(document)]
    tasks = [_task_line(task) for task in document["tasks"] if task["state"] != "idle"]
    tables: list[RenderableType] = [_collections(document["collections"]), Text(""), gates(document["gates"])]
    workers = [_workers(document["workers"])] if document["workers"] else []
    return Group(
        head,
        *_sides(document),
        _listen(document["listen"]),
        *workers,
        _journal(document["journal"]),
        *warnings,
        *tasks,
        Text(""),
        *tables,
    )


def _sides(document: Document) -> list[Text]:
    return [
        _line(name, f"{document[name]['product']} {document[name]['url']}") for name in ("source", "target") if document[name]
    ]


def _listen(listen: Document) -> Text:
    return _line("listen", ", ".join(f"{role} {address}" for role, address in listen.items()))


def _workers(workers: Sequence[Document]) -> Text:
    names = ("accepting", "connections", "restarts")
    accepting, connections, restarts = (sum(found[name] for found in workers) for name in names)
    text = f"{accepting} of {len(workers)} accept, {connections} connections, {restarts} restarts"
    return _line("workers", text, "" if accepting == len(workers) else "yellow")


def _journal(journal: Document) -> Text:
    lag = f"{journal['entries']} writes, {journal['oldest_seconds']:.1f} s behind"
    text = f"{lag}, {journal['dirty_keys']} dirty keys, {journal['parked']} parked; {journal['promise']}"
    return _line("journal", text)


def _line(name: str, text: str, style: str = "") -> Text:
    return Text.assemble((f"{name:9} ", "dim"), (text, style))


def _warnings(document: Document) -> list[str]:
    journal = document["journal"]
    said = {
        "note": document["note"],
        "config": document["config_error"],
        "target": document["preparing"] and f"not prepared yet: {document['preparing']}",
        "mirror": "paused" if journal["paused"] else journal["last_error"],
    }
    found = [f"{name:9} {text}" for name, text in said.items() if text]
    found += [
        f"{part:9} stopped by a fault of ours, restart the sidecar: {fault}" for part, fault in document["faults"].items()
    ]
    found += [f"{row['file']} {row['warning']} ({row['path']})" for row in document["certificates"] if row["warning"]]
    return found + [f"unverified {name}: {why}" for name, why in document["debts"].items()]


def _collections(collections: Document) -> Table:
    table = _table("collection", "verified", "divergences", "samples", "recall", "at least", "tail", "noise")
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
    speed = f", {task['rate']:.0f} a second" if task["state"] == "running" else ""
    line = _line(task["name"], f"{task['state']}  {task['done']} of {task['total']} points{speed}")
    return line.append(f"  {task['error']}", "yellow") if task["error"] else line


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
    notes = [Text(document["note"], "yellow")] if document["note"] else []
    return Group(*lines, *(Text(text, "red") for text in document["refusals"]), *notes)


def plan(document: Document) -> RenderableType:
    parts: list[RenderableType] = []
    for fit in document["collections"]:
        rows = _table()
        for place in ("source", "target"):
            for name, value in fit[place].items():
                rows.add_row(Text(f"  {place}", "dim"), name, value if isinstance(value, str) else json.dumps(value))
        parts += [Text(fit["collection"], "bold"), rows]
        parts += [Text(f"  loss     {text}", "yellow") for text in fit["losses"]]
        parts += [Text(f"  refused  {text}", "red") for text in fit["refusals"]]
    parts += [Text(f"{name}: left out", "dim") for name in document["excluded"]]
    return Group(*parts)


def assess(document: Document) -> RenderableType:
    table = _table("call", "kind", "count")
    for call in document["calls"]:
        table.add_row(call["call"], call["kind"], str(call["count"]))
    gaps = [Text(f"the target cannot answer {what}: {why}", "red") for what, why in document["unanswerable"].items()]
    notes = [Text(document["note"], "yellow")] if document["note"] else []
    return Group(table, *(gaps or [Text("nothing was seen that the target could not answer", "green")]), *notes)


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
    table = _table("number", "collection", "id", "reason")
    for item in document:
        table.add_row(str(item["number"]), item["collection"], item["id"], item["reason"])
    return table


def history(document: list[Document]) -> RenderableType:
    table = _table("when", "phase", "epoch", "primary", "who", "overruled", "why")
    for stage in document:
        when = datetime.fromtimestamp(stage["at"]).astimezone().isoformat(" ", "seconds")
        decision = stage["decision"]
        forced = ", ".join(decision["forced"])
        table.add_row(when, stage["phase"], str(stage["epoch"]), stage["primary"], decision["who"], forced, decision["why"])
    return table


def words(document: Document) -> RenderableType:
    return Text(" ".join(f"{name} {value}" for name, value in document.items()))
