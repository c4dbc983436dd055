"""La revisión publicada: sus medias son las de sus semillas y cada parte dice de dónde salió."""

import json
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parent.parent / "estudio" / "kermany" / "revision"
PARTS = ("atajos", "protocolos", "desbalance")


def part(name: str) -> dict:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def test_las_medias_de_los_protocolos_son_las_de_sus_semillas():
    protocols = part("protocolos")
    assert len(protocols["seeds"]) >= 5
    for model in protocols["models"].values():
        for found in model.values():
            for name, (value, low, high) in found["mean"].items():
                alone = [one[name] for one in found["seeds"]]
                assert value == pytest.approx(np.mean(alone), abs=1e-9)
                assert low <= value <= high
    for name, model in protocols["models"].items():
        leak = protocols["contrasts"][name]["fuga"]["roc_auc"]
        expected = model["archivo"]["mean"]["roc_auc"][0] - model["paciente"]["mean"]["roc_auc"][0]
        assert leak[0] == pytest.approx(expected, abs=1e-9)
        assert leak[1] <= leak[0] <= leak[2]


@pytest.mark.parametrize("name", PARTS)
def test_cada_parte_tiene_su_procedencia_sin_rutas(name):
    assert part(name)
    stamp = json.loads((FOLDER / "provenance.json").read_text(encoding="utf-8"))[name]
    assert {"data", "code", "packages", "machine"} <= set(stamp)
    assert "/" not in stamp["data"]["fingerprint"]
