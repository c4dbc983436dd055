"""Apartar lo que contradice el atajo: con un atajo plantado y con las radiografías reales."""

import io
import zipfile
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler

from neumonia.acquisition import acquisition_statistics
from neumonia.datasets.chest_xray import parse_name
from neumonia.errors import DataError
from neumonia.review.holdout import acquisition_holdout
from neumonia.splits import patient_groups


def quarter(study, seed: int, also: tuple[str, ...] = ()) -> np.ndarray:
    """bool (N,): un cuarto de cada clase, con los ``also`` dentro y los demás al azar de train.

    De val, que es muy pequeña, solo los ``also``: así no se queda sin una clase por azar.
    """
    rng = np.random.default_rng(seed)
    listed = study.dataset.manifest["image_id"].isin(also).to_numpy()
    chosen = np.zeros(len(listed), bool)
    train = study.rows("train")
    pool = np.concatenate([train, study.rows("val")])
    for label in (0, 1):
        mine = pool[study.labels[pool] == label]
        rest = rng.permutation(train[(study.labels[train] == label) & ~listed[train]])
        wanted = np.concatenate([mine[listed[mine]], rest])
        chosen[wanted[: round(0.25 * len(mine))]] = True
    return chosen


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_las_contrarias_son_exactamente_las_plantadas(official, seed):
    """Un número dice la clase, salvo en el cuarto de cada una donde dice la otra."""
    wrong = quarter(official, seed)
    seen = np.where(wrong, 1 - official.labels, official.labels)
    found = acquisition_holdout(official, pd.DataFrame({"x": seen * 1.0}))
    assert np.array_equal(found.contrary, np.flatnonzero(wrong))


def test_en_las_imagenes_se_encuentran_las_plantadas_y_se_aparta_un_cuarto(
    official, holdout, planted
):
    assert planted.any() and set(np.flatnonzero(planted)) <= set(holdout.contrary)
    pool = np.concatenate([official.rows("train"), official.rows("val")])
    for label in (0, 1):
        mine = pool[official.labels[pool] == label]
        apart = holdout.contrary[official.labels[holdout.contrary] == label]
        assert len(apart) == round(0.25 * len(mine))
        # Ninguna de las que quedan contradice el atajo más que las apartadas.
        toward = holdout.score if label == 0 else -holdout.score
        assert toward[np.setdiff1d(mine, apart)].max() <= toward[apart].min()


def test_ningun_paciente_apartado_queda_para_entrenar_ni_validar(official, holdout):
    groups = patient_groups(official.dataset.manifest)
    parts = [set(groups[rows]) for rows in (holdout.train, holdout.val, holdout.contrary)]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert not parts[first] & parts[second]
    # Y no se pierde a nadie más.
    pool = np.concatenate([official.rows("train"), official.rows("val")])
    others = [row for row in pool if groups[row] not in parts[2]]
    assert sorted([*holdout.train, *holdout.val]) == sorted(others)
    assert set(holdout.train) <= set(official.rows("train"))
    assert set(holdout.val) <= set(official.rows("val"))


def test_se_aparta_al_paciente_con_todas_sus_radiografias(official):
    """Si solo una de las dos radiografías de un niño contradice el atajo, salen las dos."""
    ids = official.dataset.manifest["image_id"]
    one, other = (f"train/PNEUMONIA/person7_virus_{number}.jpeg" for number in (1, 0))
    wrong = quarter(official, 0, also=(one,)) & (ids != other).to_numpy()
    seen = np.where(wrong, 1 - official.labels, official.labels)
    found = acquisition_holdout(official, pd.DataFrame({"x": seen * 1.0}))
    place = {name: ids.index[ids == name][0] for name in (one, other)}
    assert place[one] in found.contrary and place[other] not in found.contrary
    for row in place.values():
        assert row not in found.train and row not in found.val


def test_la_prueba_no_se_usa(official, holdout):
    test = official.rows("test")
    assert np.isnan(holdout.score[test]).all()
    assert np.isfinite(np.delete(holdout.score, test)).all()
    assert not set(test) & {*holdout.train, *holdout.val, *holdout.contrary}
    statistics = acquisition_statistics(official.images)
    spoiled = statistics.copy()
    spoiled.iloc[test] = np.nan
    again = acquisition_holdout(official, spoiled)
    assert np.array_equal(again.score, holdout.score, equal_nan=True)
    assert np.array_equal(again.train, holdout.train)


def test_la_probabilidad_viene_de_un_modelo_que_no_vio_al_paciente(official, holdout):
    """La misma validación cruzada por pacientes, escrita aquí paso a paso."""
    pool = np.sort(np.concatenate([official.rows("train"), official.rows("val")]))
    values = acquisition_statistics(official.images).to_numpy()[pool]
    labels = official.labels[pool]
    groups = patient_groups(official.dataset.manifest)[pool]
    expected = np.empty(len(pool))
    for fitted, held in GroupKFold(5).split(values, labels, groups):
        assert not set(groups[fitted]) & set(groups[held])
        scaler = StandardScaler().fit(values[fitted])
        model = LogisticRegression(C=0.1, max_iter=2000)
        model.fit(scaler.transform(values[fitted]), labels[fitted])
        expected[held] = model.predict_proba(scaler.transform(values[held]))[:, 1]
    assert holdout.score[pool] == pytest.approx(expected, abs=1e-9)


def test_si_no_queda_una_clase_se_explica(official, monkeypatch):
    labels, val = official.labels, official.rows("val")

    def message(seen: np.ndarray) -> str:
        with pytest.raises(DataError, match="no contradice a la clase lo bastante") as caught:
            acquisition_holdout(official, pd.DataFrame({"x": seen}))
        return str(caught.value)

    ids = official.dataset.manifest["image_id"]
    normal = tuple(ids.iloc[val[labels[val] == 0]])
    wrong = quarter(official, 0, also=normal)
    assert "Para validar" in message(np.where(wrong, 1 - labels, labels) * 1.0)
    monkeypatch.setattr("neumonia.review.holdout.SHARE", 1.0)
    assert "Para entrenar quedan 0" in message(labels * 1.0)
    monkeypatch.setattr("neumonia.review.holdout.SHARE", 0.0)
    assert "Para elegir quedan 0" in message(labels * 1.0)


@pytest.mark.real
def test_en_las_reales_la_adquisicion_casi_dice_la_clase_y_unas_pocas_la_contradicen(shared):
    """600 radiografías del entrenamiento oficial y sus pacientes de verdad."""
    with zipfile.ZipFile(shared / "datos" / "chest_xray_224.zip") as archive:
        names = sorted(n for n in archive.namelist() if "/train/" in f"/{n}" and ".jp" in n)
        chosen = [n for n in names if "NORMAL/" in n][:300] + [
            n for n in names if "PNEUMONIA/" in n
        ][:300]
        films = [Image.open(io.BytesIO(archive.read(n))).convert("L") for n in chosen]
    images = np.stack([np.asarray(film.resize((96, 96), Image.BILINEAR)) for film in films])
    labels = np.array(["PNEUMONIA/" in n for n in chosen]).astype(np.int8)
    people = [parse_name(n.rsplit("/", 1)[-1], n.split("/")[-2])[0] for n in chosen]
    manifest = pd.DataFrame({"patient": people, "sha256": [str(k) for k in range(len(chosen))]})
    last = pd.factorize(manifest["patient"])[0] % 5 == 4
    study = SimpleNamespace(
        images=images,
        labels=labels,
        dataset=SimpleNamespace(manifest=manifest),
        rows=lambda part: np.flatnonzero(last if part == "val" else ~last),
    )
    found = acquisition_holdout(study)
    assert roc_auc_score(labels, found.score) > 0.8, "sin ver un pulmón"
    assert np.bincount(labels[found.contrary]).tolist() == [75, 75]
    # En las apartadas el atajo ya no ayuda: quien lo siga acierta como al azar.
    assert roc_auc_score(labels[found.contrary], found.score[found.contrary]) < 0.6
