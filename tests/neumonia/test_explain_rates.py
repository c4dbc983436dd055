"""Con qué frecuencia pasan los mapas su comprobación, en el estudio diminuto."""

import numpy as np
import pytest

from neumonia.explain import check_place, place_rates
from neumonia.explain import rates as module
from neumonia.explain.place import predictor
from neumonia.gradcam import grad_cam


@pytest.fixture(scope="module")
def table(trained):
    return place_rates(trained.study, "cnn", methods=("hires_cam", "gradient"), n_films=100)


def test_cada_clase_de_mapa_tiene_sus_filas(table):
    assert list(table.columns) == ["map", "films", "n", "null", "passed", "low", "high"]
    rows = [tuple(row) for row in table[["map", "films"]].to_numpy()]
    kinds = ("hires_cam", "gradient", "moved", "centre")
    assert rows[:8] == [(kind, group) for kind in kinds for group in ("all", "true_positives")]
    assert rows[8:] in ([], [("truth", "true_positives")])
    assert (table["n"] >= 0).all() and (table.loc[table["films"] == "all", "n"] > 5).all()
    measured = table[table["n"] > 0]
    assert measured["passed"].between(0, 1).all()
    assert table.loc[table["map"] == "centre", "null"].dropna().eq(0).all()


def test_la_parte_que_pasa_es_la_contada_a_mano(trained, table):
    study = trained.study
    rows = study.rows("test")
    films = np.asarray(study.images[rows])
    assert table["n"].iloc[0] == len(rows), "hay menos de cien: se usan todas"
    model = study.model("cnn")
    checks = check_place(predictor(model), films, grad_cam(model, films, method="gradient"))
    expected = np.mean([check.passed for check in checks])
    found = table[(table["map"] == "gradient") & (table["films"] == "all")].iloc[0]
    assert found["passed"] == pytest.approx(expected)
    assert found["null"] == np.mean([check.null for check in checks])


def test_pasa_la_mascara_verdadera_si_la_red_solo_mira_la_opacidad(trained, monkeypatch):
    """Una red que suma lo claro de la opacidad: la verdad pasa siempre y el azar, casi nunca."""
    from neumonia.datasets.phantoms import phantom_masks

    study = trained.study
    test = study.rows("test")
    films, masks = np.asarray(study.images[test]), phantom_masks(study.dataset, test, 32)
    known = {film.tobytes(): mask for film, mask in zip(films, masks, strict=True)}
    ill = study.labels[test] == 1

    def oracle(batch):
        mask = known[batch[0].astype(np.uint8).tobytes()]
        untouched = (batch == batch[0]) & mask
        return untouched.sum(axis=(1, 2)).astype(float)

    real = module.grad_cam_raw

    def always_positive(model, images, method):
        from dataclasses import replace

        return replace(real(model, images, method=method), logits=np.ones(len(images)))

    monkeypatch.setattr(module, "predictor", lambda model: oracle)
    monkeypatch.setattr(module, "grad_cam_raw", always_positive)
    table = place_rates(study, "cnn", methods=("grad_cam",)).set_index(["map", "films"])
    truth = table.loc[("truth", "true_positives")]
    assert truth["n"] == ill.sum() > 0 and truth["passed"] > 0.9
    assert table.loc[("moved", "true_positives"), "passed"] < 0.5


def test_sin_aciertos_no_se_inventa_una_cifra(trained, monkeypatch):
    from dataclasses import replace

    real = module.grad_cam_raw
    monkeypatch.setattr(
        module,
        "grad_cam_raw",
        lambda model, images, method: replace(
            real(model, images, method=method), logits=-np.ones(len(images))
        ),
    )
    table = place_rates(trained.study, "cnn", methods=("gradient",), n_films=5)
    assert "truth" not in set(table["map"])
    empty = table[table["films"] == "true_positives"]
    assert (empty["n"] == 0).all() and empty[["null", "passed", "low", "high"]].isna().all(
        axis=None
    )
