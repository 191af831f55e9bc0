"""Scores the compliance checker on labelled rows: python benchmarks/eval_compliance.py [rows.jsonl].

A row counts as flagged when any issue is returned. Labels are one author's (tests/eval/data); span edges are
judgement calls, so spans are scored by overlap as well as exactly.
"""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from scriptgen.compliance.checker import ComplianceChecker
from scriptgen.compliance.lexicon import load_lexicon

DEV_SET = Path(__file__).parents[1] / "tests/eval/data/compliance.dev.jsonl"


def evaluate(path: Path | str = DEV_SET, checker: ComplianceChecker | None = None) -> dict[str, Any]:
    """Scores of the rows in a JSON Lines file; every rate comes with its counts and 95 % interval."""
    checker = checker or ComplianceChecker(load_lexicon())
    rows = [json.loads(line) for line in Path(path).read_text("utf-8").splitlines() if line.strip()]
    row_counts: Counter[str] = Counter()
    span_counts: Counter[str] = Counter()
    by_type: dict[str, Counter[str]] = {}
    evasions: Counter[str] = Counter()
    false_alarms, missed_rows, missed_spans, extra_spans = [], [], [], []
    for row in rows:
        text = row["text"]
        issues = [i for i in checker.review(text, category=row["category"]) if i.type != "unsupported_fact"]
        found = [(i.type, i.start, i.end) for i in issues]
        wanted = _wanted(text, row["issues"])
        row_counts[f"{'bad' if wanted else 'good'}_{'flagged' if found else 'silent'}"] += 1
        if found and not wanted:
            false_alarms.append({"id": row["id"], "text": text, "found": [(i.type, i.span) for i in issues]})
        if wanted and not found:
            missed_rows.append({"id": row["id"], "text": text, "wanted": row["issues"]})
        for kind in {k for k, _, _ in wanted} | {k for k, _, _ in found}:
            counts = by_type.setdefault(kind, Counter())
            has, got = any(k == kind for k, _, _ in wanted), any(k == kind for k, _, _ in found)
            counts["tp" if has and got else "fn" if has else "fp"] += 1
        hits = [w for w in wanted if any(_overlap(w, f) for f in found)]
        missed_spans += [(row["id"], w[0], text[w[1] : w[2]]) for w in wanted if w not in hits]
        extra = [f for f in found if not any(_overlap(w, f) for w in wanted)]
        extra_spans += [(row["id"], f[0], text[f[1] : f[2]]) for f in extra]
        covered_wanted = {i for _, a, b in wanted for i in range(a, b)}
        covered_found = {i for _, a, b in found for i in range(a, b)}
        span_counts.update(
            wanted=len(wanted), found=len(found), overlapped=len(hits), matched=len(found) - len(extra),
            exact=len(set(wanted) & set(found)), characters_wanted=len(covered_wanted),
            characters_found=len(covered_found), characters_both=len(covered_wanted & covered_found),
        )  # fmt: skip
        if "evasion" in row.get("tags", ()):
            evasions["rows"] += 1
            evasions["caught"] += bool(found)
    flagged = row_counts["bad_flagged"]
    return {
        "rows": len(rows),
        "precision": _rate(flagged, flagged + row_counts["good_flagged"]),
        "recall": _rate(flagged, flagged + row_counts["bad_silent"]),
        "spans": {
            "overlap_f1": _f1(
                _rate(span_counts["matched"], span_counts["found"])["value"],
                _rate(span_counts["overlapped"], span_counts["wanted"])["value"],
            ),
            "character_f1": _f1(
                _rate(span_counts["characters_both"], span_counts["characters_found"])["value"],
                _rate(span_counts["characters_both"], span_counts["characters_wanted"])["value"],
            ),
            "exact_recall": _rate(span_counts["exact"], span_counts["wanted"]),
        },
        "evasion_recall": _rate(evasions["caught"], evasions["rows"]),
        "types": {
            kind: {
                "precision": _rate(c["tp"], c["tp"] + c["fp"]),
                "recall": _rate(c["tp"], c["tp"] + c["fn"]),
            }
            for kind, c in sorted(by_type.items())
        },
        "false_alarms": false_alarms,
        "missed_rows": missed_rows,
        "missed_spans": missed_spans,
        "extra_spans": extra_spans,
    }


def _wanted(text: str, issues: list[dict[str, str]]) -> list[tuple[str, int, int]]:
    spans = []
    for issue in issues:
        start = text.index(issue["span"])
        spans.append((issue["type"], start, start + len(issue["span"])))
    return spans


def _overlap(a: tuple[str, int, int], b: tuple[str, int, int]) -> bool:
    return a[0] == b[0] and a[1] < b[2] and b[1] < a[2]


def _rate(hits: int, total: int) -> dict[str, float]:
    """Share with its 95 % Wilson score interval (Wilson 1927); an empty total counts as 1."""
    if total == 0:
        return {"value": 1.0, "hits": 0, "total": 0, "low": 0.0, "high": 1.0}
    z, p = 1.959964, hits / total
    middle = p + z * z / (2 * total)
    spread = z * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return {
        "value": p,
        "hits": hits,
        "total": total,
        "low": max(0.0, (middle - spread) / scale),
        "high": min(1.0, (middle + spread) / scale),
    }


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _shown(rate: dict[str, float]) -> str:
    return f"{rate['value']:.3f} ({rate['hits']}/{rate['total']}, {rate['low']:.2f}–{rate['high']:.2f})"


def print_table(scores: dict[str, Any]) -> None:
    print(f"rows {scores['rows']}; one author's labels, no second annotator")
    print(f"{'precision':18}{_shown(scores['precision'])}")
    print(f"{'recall':18}{_shown(scores['recall'])}")
    print(f"{'evasion recall':18}{_shown(scores['evasion_recall'])}")
    spans = scores["spans"]
    print(f"{'span overlap F1':18}{spans['overlap_f1']:.3f}   by characters {spans['character_f1']:.3f}")
    print(f"{'spans exact':18}{_shown(spans['exact_recall'])}\n")
    for kind, rates in scores["types"].items():
        print(f"{kind:18}P {_shown(rates['precision']):32} R {_shown(rates['recall'])}")
    for name in ("false_alarms", "missed_rows", "missed_spans", "extra_spans"):
        for entry in scores[name]:
            print(f"{name}: {json.dumps(entry, ensure_ascii=False)}")


if __name__ == "__main__":
    print_table(evaluate(sys.argv[1] if len(sys.argv) > 1 else DEV_SET))
