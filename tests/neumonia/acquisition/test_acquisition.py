"""Deriva, dominio y grupos: con cambios plantados, sin ninguno, y en las radiografías reales."""

import numpy as np
import pandas as pd
import pytest
from scipy.ndimage import gaussian_filter
from sklearn.metrics import roc_auc_score

from neumonia.acquisition import (
    STATISTICS,
    acquisition_statistics,
    domain_classifier,
    domain_features,
    domain_table,
    drift_table,
    official_domain,
)
from neumonia.errors import DataError

N = 400


@pytest.fixture(scope="module")
def people() -> np.ndarray:
    """Dos radiografías por paciente, salvo unas cuantas sin paciente conocido."""
    return np.array([f"p{k // 2}" if k < 360 else "" for k in range(N)], dtype=object)


@pytest.fixture(scope="module")
def domain() -> np.ndarray:
    return (np.arange(N) // 2 % 4 == 0).astype(np.int8)


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    return (np.arange(N) // 8 % 2).astype(np.int8)


def test_las_estadisticas_del_marco_son_las_del_marco():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (3, 72, 72)).astype(np.uint8)
    table = acquisition_statistics(images)
    assert list(table.columns) == list(STATISTICS) and len(table) == 3
    ring = np.ones((72, 72), bool)
    ring[2:-2, 2:-2] = False
    assert table["frame_mean"].tolist() == pytest.approx(images[:, ring].mean(axis=1).tolist())
    assert table["frame_std"].tolist() == pytest.approx(images[:, ring].std(axis=1).tolist())
    means = {
        "top": images[:, :4],
        "bottom": images[:, -4:],
        "left": images[:, :, :4],
        "right": images[:, :, -4:],
        "center": images[:, 24:48, 24:48],
    }
    for name, strip in means.items():
        assert table[name].tolist() == pytest.approx(strip.mean(axis=(1, 2)).tolist())
    sets = domain_features(images, table)
    assert {key: value.shape[1] for key, value in sets.items()} == {
        "gradient": 1,
        "sharpness": 3,
        "intensity": 11,
        "statistics": len(STATISTICS),
        "frame": 384,
        "pixels": 784,
    }


def test_un_cambio_plantado_se_encuentra(domain, people):
    values = np.random.default_rng(1).normal(2.0 * domain[:, None], 1, (N, 3))
    found = domain_classifier(values, domain, people, seed=0, n=200)
    assert found.low > 0.9 and found.auc == roc_auc_score(domain, found.scores)
    one = domain_classifier(-values[:, 0], domain, people, n=200)
    assert one.auc == pytest.approx(roc_auc_score(domain, values[:, 0]), abs=0.03)


def test_sin_cambio_el_intervalo_contiene_un_medio(domain, people):
    """Nominal 95 %: de 20 conjuntos de puro ruido, casi todos los intervalos contienen 0.5."""
    inside = []
    for seed in range(20):
        values = np.random.default_rng(100 + seed).normal(0, 1, (N, 4))
        found = domain_classifier(values, domain, people, seed=seed, n=200)
        inside.append(found.low <= 0.5 <= found.high)
    assert sum(inside) >= 16


def test_reconocer_al_paciente_no_cuenta_como_reconocer_el_dominio(domain, people):
    """Cada paciente tiene su firma, igual en sus dos radiografías, y no hay otra diferencia."""
    signature = np.repeat(np.random.default_rng(2).normal(0, 1, (N // 2, 60)), 2, axis=0)
    cut = domain_classifier(signature, domain, people, n=100)
    loose = domain_classifier(signature, domain, np.full(N, "", dtype=object), n=100)
    assert cut.low < 0.5 < cut.high
    assert loose.auc > cut.auc + 0.1


def test_el_resultado_solo_depende_de_la_semilla(domain, people):
    values = np.random.default_rng(3).normal(0, 1, (N, 2))
    first, again, other = (domain_classifier(values, domain, people, s, 50) for s in (0, 0, 1))
    assert first[:3] == again[:3] and np.array_equal(first.scores, again.scores)
    assert not np.array_equal(first.scores, other.scores)


def test_por_clase_no_se_ve_la_proporcion_de_clases(people):
    """Si los dominios solo difieren en cuántas neumonías hay, dentro de cada clase no hay nada."""
    rng = np.random.default_rng(4)
    side = rng.integers(0, 2, N)
    truth = (rng.random(N) < np.where(side, 0.2, 0.8)).astype(int)
    values = rng.normal(3.0 * truth[:, None], 1, (N, 2))
    table = domain_table({"x": values}, side, truth, people, n=100).set_index("class")
    assert table.loc["ambas", "low"] > 0.6
    for name in ("NORMAL", "PNEUMONIA"):
        assert table.loc[name, "low"] < 0.5 < table.loc[name, "high"]
    assert table.loc["ambas", ["n_reference", "n_other"]].tolist() == [
        (side == 0).sum(),
        side.sum(),
    ]


def test_el_dominio_impropio_se_rechaza(domain, people, labels):
    values = np.zeros((N, 2))
    with pytest.raises(DataError, match="del mismo dominio"):
        domain_classifier(values, 0 * domain, people)
    with pytest.raises(DataError, match="debe ser un vector"):
        domain_classifier(values, domain + 3, people)
    with pytest.raises(DataError, match="finitos de forma"):
        domain_classifier(values[:9], domain, people)
    with pytest.raises(DataError, match="finitos"):
        domain_classifier(values + np.nan, domain, people)
    with pytest.raises(DataError, match="no podemos hacer 5 pliegues"):
        domain_classifier(values[:8], [0, 0, 0, 0, 0, 1, 1, 1], list("abcdefgh"))
    with pytest.raises(DataError, match="no podemos hacer 1 pliegues"):
        domain_classifier(values, domain, people, folds=1)
    with pytest.raises(DataError, match="uno de cada"):
        domain_table({"x": values}, domain, labels[:4], people)


def test_un_dominio_de_un_solo_paciente_se_avisa():
    side = np.r_[np.zeros(6, int), np.ones(6, int)]
    names = [*"abcdef", *["z"] * 6]
    with pytest.raises(DataError, match="Con 1 pacientes en el dominio menor"):
        domain_classifier(np.zeros((12, 1)), side, names, folds=2)


def test_un_pliegue_que_se_lleva_un_dominio_se_avisa():
    """El paciente 1 tiene casi todo el dominio 1 y el 2, solo una de sus cuatro radiografías."""
    side, names = [0, 0, 0, 1, 1, 1, 1, 0, 0, 0], list("aaabbbcccc")
    with pytest.raises(DataError, match="se fue un dominio entero"):
        domain_classifier(np.arange(10.0), side, names, folds=2)


def test_la_deriva_plantada_sale_primero_y_hacia_la_otra_clase(domain, labels, people):
    rng = np.random.default_rng(5)
    normal, moved = labels == 0, (labels == 0) & (domain == 1)
    values = pd.DataFrame(
        {
            "quieta": rng.normal(0, 1, N),
            "nitidez": rng.normal(np.where(normal, 3.0, 0.0) - 1.5 * moved, 1),
            "aparte": rng.normal(np.where(normal, 3.0, 0.0) + 1.5 * moved, 1),
            "constante": 4.0,
        }
    )
    table = drift_table(values, domain, labels, people, n=200)
    assert len(table) == 8 and table["class"].tolist() == ["NORMAL"] * 4 + ["PNEUMONIA"] * 4
    mine = table[table["class"] == "NORMAL"].set_index("statistic")
    assert set(mine.index[:2]) == {"nitidez", "aparte"}
    blurred = mine.loc["nitidez"]
    before = values.loc[normal & (domain == 0), "nitidez"]
    after = values.loc[normal & (domain == 1), "nitidez"]
    expected = (after.mean() - before.mean()) / (
        (before.var(ddof=0) + after.var(ddof=0)) / 2
    ) ** 0.5
    assert blurred["smd"] == pytest.approx(expected)
    wins = (after.to_numpy()[:, None] > before.to_numpy()).mean()
    assert blurred["auc"] == pytest.approx(wins) and blurred["high"] < 0.5
    assert blurred["label_auc"] < 0.1 < blurred["label_auc_other"]
    assert blurred["toward_other"] and not mine.loc["aparte", "toward_other"]
    assert mine.loc["aparte", "moved"] and not mine.loc["constante", "moved"]
    assert mine.loc["constante", ["smd", "auc"]].tolist() == [0, 0.5]
    sick = table[table["class"] == "PNEUMONIA"].set_index("statistic")
    assert not sick.loc[["nitidez", "aparte", "constante"], "moved"].any()


def test_la_deriva_rechaza_lo_que_no_se_puede_comparar(domain, labels, people):
    values = pd.DataFrame({"x": np.arange(N, dtype=float)})
    with pytest.raises(DataError, match="uno de cada"):
        drift_table(values[:5], domain, labels, people)
    with pytest.raises(DataError, match="NORMAL no está en los dos"):
        drift_table(values, np.where(labels == 0, 0, domain), labels, people)
    with pytest.raises(DataError, match="finitos"):
        drift_table(values * np.nan, domain, labels, people)


@pytest.fixture(scope="module")
def two_devices() -> tuple[pd.DataFrame, np.ndarray]:
    """120 imágenes: la mitad desenfocadas, la mitad nítidas y más oscuras."""
    rng = np.random.default_rng(6)
    images = rng.integers(0, 200, (120, 40, 40)).astype(np.uint8)
    device = np.arange(120) % 2
    for k in np.flatnonzero(device == 0):
        images[k] = gaussian_filter(images[k].astype(float), 2) + 50
    return acquisition_statistics(images), device


@pytest.mark.real
def test_las_normales_de_la_prueba_oficial_son_mas_borrosas(shared):
    from neumonia.datasets.archive import open_source
    from neumonia.datasets.chest_xray import parse_name
    from neumonia.datasets.images import decode, resize

    names = ("NORMAL", "PNEUMONIA")
    with open_source(shared / "datos" / "chest_xray_224.zip") as listing:
        entries = [e for k, e in enumerate(listing.entries) if e.split == "test" or k % 12 == 0]
        images = np.stack([resize(decode(entry.read()), 150) for entry in entries])
    manifest = pd.DataFrame(
        {
            "label": [entry.label for entry in entries],
            "official_split": [entry.split for entry in entries],
            "patient": [parse_name(entry.name, names[entry.label])[0] for entry in entries],
        }
    )
    side = official_domain(manifest)
    assert side.sum() == 624 and side.dtype == np.int8
    statistics = acquisition_statistics(images)[["vertical", "horizontal", "black"]]
    truth, people = manifest["label"].to_numpy(), manifest["patient"]
    table = drift_table(statistics, side, truth, people, n=200).set_index(["class", "statistic"])
    normal = table.loc[("NORMAL", "vertical")]
    assert normal["high"] < 0.4 and normal["toward_other"] and normal["label_auc"] < 0.15
    assert table.loc[("NORMAL", "black"), "high"] < 0.5
    assert 0.4 < table.loc[("PNEUMONIA", "vertical"), "auc"] < 0.65
    found = domain_table({"v": statistics[["vertical"]]}, side, truth, people, n=100)
    found = found.set_index("class")
    assert found.loc["NORMAL", "low"] > 0.6 > found.loc["PNEUMONIA", "auc"]
