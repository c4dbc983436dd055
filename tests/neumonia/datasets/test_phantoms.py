"""La maqueta: determinista, con las dos clases, sin atajos de brillo y con máscaras que valen."""

import hashlib
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from neumonia.datasets import phantom_film, phantoms
from neumonia.datasets.base import COLUMNS, Dataset
from neumonia.datasets.phantom_body import (
    LUNG_DEPTH,
    body_frame,
    build_thorax,
    capsule,
    dome,
    draw_anatomy,
    draw_pose,
    draw_segments,
    ellipse,
    step,
    to_film,
)
from neumonia.datasets.phantom_film import (
    LUNG_FRACTION,
    MASK_FRACTION,
    MU_SOFT,
    SUBTYPES,
    Cloud,
    add_opacity,
    draw_opacity,
    draw_technique,
    expose,
    healthy_bands,
)
from neumonia.datasets.phantoms import (
    POSITIVES,
    Recipe,
    make_films,
    open_phantoms,
    phantom_masks,
    plan_films,
)
from neumonia.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def films():
    return make_films(260, 64, seed=3, difficulty=0.5)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NEUMONIA_CACHE", str(tmp_path))
    return tmp_path


def altered(thing, **changes):
    return SimpleNamespace(**{**vars(thing), **changes})


# --- las placas ------------------------------------------------------------------------------


def test_los_pixeles_y_las_mascaras_no_cambian_de_una_version_a_otra():
    """Los resultados publicados salieron de estos bytes (con las bibliotecas del candado)."""
    made = make_films(20, 48, seed=7)
    pixels = hashlib.sha256(made.images.tobytes() + made.masks.tobytes()).hexdigest()
    assert pixels[:16] == "f617fb7bf2e42305"


def test_las_placas_salen_con_la_forma_prometida_y_su_suma(films):
    assert films.images.shape == films.masks.shape == (260, 64, 64)
    assert films.images.dtype == np.uint8 and films.masks.dtype == bool
    manifest = films.manifest
    assert tuple(manifest.columns) == COLUMNS
    assert manifest["image_id"].is_monotonic_increasing and manifest["image_id"].is_unique
    assert (manifest["height"] == 64).all() and (manifest["width"] == 64).all()
    assert set(manifest["subtype"]) == {"normal", *SUBTYPES}
    assert manifest.loc[0, ["image_id", "patient"]].tolist() == ["maqueta-0001-1", "maqueta-0001"]
    sums = [hashlib.sha256(image.tobytes()).hexdigest() for image in films.images]
    assert manifest["sha256"].tolist() == sums and len(set(sums)) == 260


def test_las_placas_de_un_paciente_comparten_clase_y_se_parecen(films):
    groups = films.manifest.groupby("patient")
    for column in ("label", "subtype", "official_split"):
        assert (groups[column].nunique() == 1).all()
    assert (groups.size().min(), groups.size().max()) == (1, 4)
    small = films.images.reshape(260, 16, 4, 16, 4).mean((2, 4)).reshape(260, -1)
    small = (small - small.mean(1, keepdims=True)) / small.std(1, keepdims=True)
    likeness = small @ small.T / small.shape[1]
    patients = films.manifest["patient"].to_numpy()
    same = patients[:, None] == patients[None, :]
    np.fill_diagonal(same, False)
    assert likeness[same].mean() > likeness[~same].mean() + 0.01


def test_solo_las_positivas_llevan_mascara(films):
    label = films.manifest["label"].to_numpy()
    assert not films.masks[label == 0].any()
    covered = films.masks[label == 1].mean((1, 2))
    assert (covered > 0).mean() > 0.97
    assert covered.max() < 0.5


def test_pedir_mas_placas_no_cambia_las_anteriores_y_otra_semilla_si():
    few, many, other = (make_films(n, 48, seed) for n, seed in ((11, 5), (30, 5), (11, 8)))
    assert np.array_equal(few.images, many.images[:11])
    assert np.array_equal(few.masks, many.masks[:11])
    assert few.manifest.equals(many.manifest.iloc[:11])
    assert not np.array_equal(few.images, other.images)


def test_se_aceptan_enteros_de_numpy_y_una_sola_placa():
    one = make_films(np.int64(1), np.int32(32), np.int64(1), np.float32(0.5))
    assert np.array_equal(one.images, make_films(1, 32, 1, 0.5).images)
    assert one.images.shape == (1, 32, 32)


def test_otro_tamano_muestra_la_misma_anatomia():
    small, large = make_films(6, 64, 2), make_films(6, 128, 2)
    for low, high in zip(small.images, large.images, strict=True):
        reduced = np.asarray(Image.fromarray(high).resize((64, 64), Image.Resampling.BOX))
        assert np.corrcoef(low.ravel(), reduced.ravel())[0, 1] > 0.97


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("n_films", (0, 20_001, 2.5, True)),
        ("size", (31, 1025, "128")),
        ("seed", (-1,)),
        ("difficulty", (-0.01, 1.01, float("nan"), "alta", None)),
    ],
)
def test_un_argumento_fuera_de_dominio_se_explica(name, values):
    for value in values:
        with pytest.raises(ConfigError, match=name):
            make_films(**{name: value})


# --- el plan ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_el_plan_tiene_las_proporciones_de_kermany_y_las_dos_clases_desde_pocas_placas(seed):
    plan = plan_films(Recipe(1200, 32, seed))
    assert len(plan) == 1200
    positives = np.mean([film.subtype != "normal" for film in plan])
    assert abs(positives - POSITIVES) < 0.06
    patients = {film.patient: film.split for film in plan}
    share = {name: np.mean([s == name for s in patients.values()]) for name in ("val", "test")}
    assert share["val"] == pytest.approx(0.04, abs=0.015)
    assert share["test"] == pytest.approx(0.12, abs=0.03)
    assert {film.subtype == "normal" for film in plan[:5]} == {True, False}
    assert len({(film.split, film.subtype == "normal") for film in plan[:60]}) == 6


def test_el_plan_mas_grande_mantiene_los_identificadores_en_orden():
    plan = plan_films(Recipe(20_000, 32, 0, 0.5))
    names = [film.image_id for film in plan]
    assert names == sorted(names) and plan[-1].patient <= 9999


# --- sin atajos ------------------------------------------------------------------------------


def _auc(features, films, seed):
    """AUC de una regresión logística con partición por paciente (un 30 % para probar)."""
    patients = films.manifest["patient"].to_numpy()
    names = np.unique(patients)
    held = np.random.default_rng(seed).permutation(names)[: int(0.3 * len(names))]
    test = np.isin(patients, held)
    label = films.manifest["label"].to_numpy()
    model = make_pipeline(StandardScaler(), LogisticRegression())
    model.fit(features[~test], label[~test])
    return roc_auc_score(label[test], model.decision_function(features[test]))


def test_ni_el_brillo_medio_ni_el_borde_bastan_para_acertar(films):
    """Letra, cables, marco y brazos son ajenos a la clase: una banda exterior no debe separarla."""
    pixels = films.images.reshape(260, -1).astype(float)
    mean, spread = pixels.mean(1)[:, None], pixels.std(1)[:, None]
    edge = np.concatenate((films.images[:, :, :4].mean(2), films.images[:, :4, :].mean(1)), axis=1)
    traps = ((mean, 0.75), (np.hstack((mean, spread)), 0.85), (edge[:, ::8], 0.72))
    for features, limit in traps:
        assert np.mean([_auc(features, films, split) for split in range(4)]) < limit


def test_la_prueba_oficial_sale_de_otro_equipo(films):
    """Más velo y menos contraste en el centro de la placa; el tórax es el mismo."""
    test = (films.manifest["official_split"] == "test").to_numpy()
    centre = films.images[:, 16:56, 12:52].reshape(260, -1)
    darkest, contrast = np.percentile(centre, 5, axis=1), centre.std(axis=1)
    assert darkest[test].mean() > darkest[~test].mean() + 8
    assert contrast[test].mean() < contrast[~test].mean() - 2


# --- opacidades ------------------------------------------------------------------------------


def _scene(seed, size=96, confusion=0.5):
    rng = np.random.default_rng(seed)
    anatomy, pose = draw_anatomy(rng, confusion), draw_pose(rng, confusion)
    return rng, pose, build_thorax(anatomy, pose, size)


@pytest.mark.parametrize("subtype", SUBTYPES)
def test_la_mascara_es_lo_agregado_sobre_su_umbral_y_ahi_la_placa_se_aclara(subtype):
    gains = []
    for seed in range(4):
        rng, pose, thorax = _scene(seed)
        opacity = replace(draw_opacity(rng, subtype, 0.3), bronchi=None)
        added, mask = add_opacity(opacity, thorax, pose)
        assert (added >= 0).all() and (added <= thorax.lung + 1e-5).all()
        field = thorax.lung > LUNG_FRACTION * LUNG_DEPTH
        assert np.array_equal(mask, (added > MASK_FRACTION * added.max()) & field)
        technique = draw_technique(np.random.default_rng(1), False, 0.3)
        clean = expose(np.random.default_rng(2), thorax, np.zeros_like(added), technique)
        sick = expose(np.random.default_rng(2), thorax, added, technique)
        change = sick.astype(float) - clean
        gains.append(change[mask].mean() - change[~mask].mean())
    assert min(gains) > 3 and np.mean(gains) > 10


def test_la_mayor_dificultad_da_opacidades_mas_tenues():
    totals = []
    for difficulty in (0.0, 0.5, 1.0):
        amount = []
        for seed in range(8):
            _, pose, thorax = _scene(seed, 64)
            kind = SUBTYPES[seed % 3]
            opacity = draw_opacity(np.random.default_rng(seed), kind, difficulty)
            amount.append(add_opacity(opacity, thorax, pose)[0].sum())
        totals.append(np.mean(amount))
    assert totals[0] > totals[1] > totals[2] > 0


def test_el_broncograma_devuelve_aire_a_la_consolidacion():
    for seed in range(30):
        rng, pose, thorax = _scene(seed)
        opacity = draw_opacity(rng, "lobar", 0.2)
        if opacity.bronchi is not None:
            break
    with_air, mask = add_opacity(opacity, thorax, pose)
    without, same = add_opacity(replace(opacity, bronchi=None), thorax, pose)
    assert np.array_equal(mask, same)
    assert (with_air <= without).all() and (with_air < without).any()


def test_los_hallazgos_sanos_nunca_llenan_el_pulmon_y_crecen_con_la_confusion():
    totals = []
    for confusion in (0.0, 1.0):
        scene = [_scene(seed, 64)[2] for seed in range(12)]
        added = [healthy_bands(np.random.default_rng(k), t, confusion) for k, t in enumerate(scene)]
        assert all((a <= 0.6 * t.lung + 1e-5).all() for a, t in zip(added, scene, strict=True))
        totals.append(np.mean([a.sum() for a in added]))
    assert totals[0] == 0 < totals[1]


# --- física y geometría ----------------------------------------------------------------------


def test_mas_tejido_da_una_zona_mas_clara_con_la_pendiente_de_beer_lambert():
    """Sin dispersión ni ruido, la densidad crece µ por centímetro agregado."""
    technique = draw_technique(np.random.default_rng(0), False, 0.0)
    quiet = altered(technique, photons=1e12, scatter=0.0)
    thickness = np.array([2.0, 5.0, 9.0])
    density = [
        phantom_film._detect(
            np.random.default_rng(0), np.full((32, 32), np.exp(-MU_SOFT * t), np.float32), quiet
        ).mean()
        for t in thickness
    ]
    assert np.allclose(density, MU_SOFT * thickness, rtol=1e-4)


def test_la_dispersion_resta_contraste():
    technique = draw_technique(np.random.default_rng(0), False, 0.0)
    field = np.full((64, 64), 0.10, np.float32)
    field[:, 32:] = 0.30
    contrast = []
    for scatter in (0.0, 0.5):
        changed = altered(technique, photons=1e10, scatter=scatter)
        density = phantom_film._detect(np.random.default_rng(0), field, changed)
        contrast.append(density[:, 5].mean() - density[:, 58].mean())
    assert contrast[1] < contrast[0] == pytest.approx(np.log(3), rel=1e-3)


def test_llevar_a_la_placa_invierte_el_marco_del_cuerpo():
    pose = draw_pose(np.random.default_rng(4), 1.0)
    x, y = body_frame(pose, 50)
    rows, columns = np.array([3, 20, 44]), np.array([7, 31, 48])
    spots = np.column_stack(
        (x[rows, columns], y[rows, columns], x[rows, columns], y[rows, columns], np.ones(3))
    ).astype(float)
    back = to_film(pose, spots)
    assert np.allclose(back[:, 0], (columns + 0.5) / 50, atol=1e-5)
    assert np.allclose(back[:, 1], (rows + 0.5) / 50, atol=1e-5)


def test_el_ruido_anclado_al_cuerpo_se_mueve_con_el_paciente():
    cloud = Cloud.draw(np.random.default_rng(0), (6,))
    still = SimpleNamespace(shift=(0.0, 0.0), scale=(1.0, 1.0), angle=0.0)
    moved = altered(still, shift=(8 / 64, -4 / 64))
    before, after = (cloud.at(*body_frame(pose, 64)) for pose in (still, moved))
    assert np.allclose(before[8:-8, 8:-16], after[4:-12, 16:-8], atol=1e-3)
    assert 0.5 < before.std() < 1.8


def test_los_trazos_miden_lo_que_dicen():
    x, y = np.meshgrid(np.linspace(-1, 1, 41), np.linspace(-1, 1, 41))
    distance = capsule(x, y, (-0.5, 0.0), (0.5, 0.0))
    assert distance[[20, 40, 20], [20, 20, 40]] == pytest.approx([0, 1, 0.25])
    assert ellipse(np.array([3.0]), np.array([1.0]), (1.0, 1.0, 2.0, 5.0))[0] == pytest.approx(1)
    turned = ellipse(np.array([1.0]), np.array([3.0]), (1.0, 1.0, 2.0, 5.0), np.pi / 2)
    assert turned[0] == pytest.approx(1)
    assert dome(np.array([0.0, 0.75, 2.0])) == pytest.approx([1.0, 0.5, 0.0])
    assert step(np.array([-9.0, 0.0, 9.0]), 1.0) == pytest.approx([0, 0.5, 1], abs=1e-6)
    tube = draw_segments(np.array([[0.2, 0.5, 0.8, 0.5, 0.05]]), 100)
    assert tube[50, 50] == pytest.approx(0.10, rel=0.05)
    assert tube[20, 50] == 0
    assert (tube[:, 50] > 0.05).sum() == pytest.approx(10, abs=2)


def test_el_corazon_queda_a_la_izquierda_del_paciente_y_el_aire_en_los_pulmones():
    lungs = np.mean([_scene(seed, 64)[2].lung for seed in range(10)], axis=0)
    band = lungs[36:48]
    assert band[:, :32].sum() > 1.15 * band[:, 32:].sum()
    assert lungs[20:45, 12:24].mean() > 3.0
    assert lungs[:, 31:33].max() < 0.5
    assert lungs[58:].mean() < 0.1 * lungs[20:45].mean()


# --- el conjunto y su caché ------------------------------------------------------------------


def test_el_conjunto_carga_las_mismas_placas_y_la_segunda_vez_no_las_genera(cache, monkeypatch):
    expected = make_films(9, 40, 4)
    dataset = open_phantoms(9, 40, 4)
    assert isinstance(dataset, Dataset) and dataset.name == "maqueta" and len(dataset) == 9
    assert np.array_equal(dataset.load(size=40), expected.images)
    assert dataset.manifest.equals(expected.manifest)
    monkeypatch.delattr(phantoms, "make_films")
    again = open_phantoms(9, 40, 4)
    rows = np.array([8, 1])
    assert np.array_equal(again.load(rows, 40, progress=True), expected.images[rows])
    assert again.fingerprint == dataset.fingerprint
    half = np.asarray(Image.fromarray(expected.images[2]).resize((28, 28), Image.BILINEAR))
    assert np.array_equal(dataset.load(np.array([2]), 28)[0], half)


def test_un_archivo_guardado_que_no_sirve_se_genera_de_nuevo(cache):
    first = open_phantoms(5, 40, 4)
    (saved,) = (cache / "maqueta").glob("*.npy")
    for content in (b"", b"basura", saved.read_bytes()[:-100]):
        saved.write_bytes(content)
        assert np.array_equal(open_phantoms(5, 40, 4).load(size=40), first.load(size=40))
    np.save(saved, np.zeros((5, 40, 40), np.float32))
    assert open_phantoms(5, 40, 4).fingerprint == first.fingerprint


def test_las_mascaras_siguen_las_filas_y_el_lado_pedidos(cache):
    whole = make_films(14, 64, 1)
    dataset = open_phantoms(14, 64, 1)
    assert np.array_equal(phantom_masks(dataset), whole.masks)
    rows = np.array([11, 2, 13])
    assert np.array_equal(phantom_masks(dataset, rows), whole.masks[rows])
    sick = int(np.flatnonzero(whole.manifest["label"])[0])
    half = phantom_masks(dataset, np.array([sick]), 32)
    assert half.shape == (1, 32, 32) and half.dtype == bool
    reduced = whole.masks[sick].reshape(32, 2, 32, 2).mean((1, 3))
    assert (half[0] == (reduced >= 0.5)).mean() > 0.97
    assert phantom_masks(dataset, np.array([], int)).shape == (0, 64, 64)
    for wrong in (np.array([[0]]), np.array([0.5]), np.array([14]), np.array([-1])):
        with pytest.raises(ConfigError, match="posiciones"):
            phantom_masks(dataset, wrong)
    with pytest.raises(ConfigError, match="lado"):
        phantom_masks(dataset, rows, 0)


def test_las_mascaras_de_placas_reales_no_existen():
    other = Dataset("kermany", make_films(2, 32).manifest, lambda *a: None, {})
    with pytest.raises(DataError, match="kermany"):
        phantom_masks(other)
