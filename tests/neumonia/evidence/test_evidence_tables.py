"""Las tablas del capítulo de confianza, con filas escritas a mano."""

import numpy as np
import pandas as pd
import pytest

from neumonia.errors import DataError
from neumonia.evaluation import Table
from neumonia.evidence.cells import one, told, versus
from neumonia.evidence.tables import (
    HEADS,
    best_table,
    blind_table,
    checks_table,
    group_rows,
    heads_table,
    layer_and_method,
    likeness_rows,
    marker_table,
    networks_table,
    peers_table,
    whole_test,
)
from neumonia.evidence.tables_checks import (
    agreement_table,
    alike,
    better_than_chance,
    between_as,
    erased,
    failures,
    fidelity_table,
    last_step,
    sanity_table,
    winners_table,
)
from neumonia.figures import likeness_bars
from neumonia.trust import (
    Curve,
    Faithfulness,
    cascade_table,
    faithfulness_table,
    localisation_table,
    mean_mask_maps,
    uniform_maps,
)

RNG = np.random.default_rng(0)
PATIENTS = [f"p{i}" for i in range(8)]


def found(value: float, width: float = 0.1) -> dict:
    return {"value": value, "low": value - width, "high": value + width}


def records(table: pd.DataFrame, **labels: str) -> list[dict]:
    return table.assign(**labels).to_dict(orient="records")


def masks() -> np.ndarray:
    planted = np.zeros((8, 12, 12), bool)
    for row, mask in enumerate(planted):
        mask[3 + row % 4 : 7 + row % 4, 2:5] = True
    return planted


@pytest.fixture
def place() -> dict:
    """Dos redes: en la primera Grad-CAM no acierta nunca; en la segunda, siempre."""
    planted = masks()
    wrong, right = np.zeros(planted.shape), planted.astype(float)
    wrong[:, 11, 11] = 1
    rows, references = [], []
    for key, heat in {"cnn": wrong, "vgg16": right}.items():
        for part in ("val", "test"):
            for layer, method, maps in (
                ("a/conv1", "grad_cam", wrong),
                ("a/conv1", "hires_cam", right),
                ("a/conv2", "grad_cam", heat),
                ("a/conv2", "hires_cam", right),
                ("entrada", "occlusion", right),
            ):
                groups = ["pequeña", "grande"] * 4
                table = localisation_table({method: maps}, planted, PATIENTS, n=50, by=groups)
                rows += records(table, network=key, layer=layer, part=part, grouping="size")
        blind = {
            "uniform": uniform_maps(planted.shape),
            "mean_mask": mean_mask_maps(planted, 8),
        }
        table = localisation_table(blind, planted, PATIENTS, n=50, by=["pequeña", "grande"] * 4)
        references += records(table, network=key, part="test", grouping="size")
    described = {
        "auc": [0.9, 0.85, 0.95],
        "n_positives": 12_345,
        "n_correct": 8,
        "grid": {"a/conv1": [30, 30], "a/conv2": [15, 14]},
    }
    best = {"layer": "a/conv2", "method": "hires_cam", "val": [0.8, 0.7, 0.9], "test": [1, 1, 1]}
    return {
        "networks": {
            "cnn": {"title": "CNN", **described},
            "vgg16": {"title": "VGG16", **described},
        },
        "rows": rows,
        "references": references,
        "best": {"cnn": best, "vgg16": {**best, "layer": "entrada", "method": "occlusion"}},
    }


def test_un_valor_se_escribe_con_su_intervalo_y_sin_el_cuando_no_lo_hay():
    assert told(found(0.5)) == "0.500 (0.400 a 0.600)"
    assert told({"value": 0.5, "low": None, "high": None}) == "0.500"
    assert told({"value": 0.5, "low": np.nan, "high": 0.6}, decimals=1) == "0.5"
    row = {"difference": -0.2, "difference_low": -0.3, "difference_high": -0.1}
    assert told({**row, **found(9.0)}, "difference") == "-0.200 (-0.300 a -0.100)"
    assert told({**found(0.5), "passed": 0.45}, "passed") == "0.450 (0.400 a 0.600)"


def test_se_busca_una_fila_y_solo_una():
    table = pd.DataFrame({"red": ["a", "a", "b"], "método": ["x", "y", "x"], "v": [1, 2, 3]})
    assert one(table, red="a", método="y")["v"] == 2
    for where in ({"red": "a"}, {"red": "c"}):
        with pytest.raises(DataError, match=str(2 if where["red"] == "a" else 0)):
            one(table, **where)


def test_solo_dos_intervalos_que_no_se_tocan_deciden_quien_esta_encima():
    assert versus(found(0.8), found(0.5)) == "por encima de"
    assert versus(found(0.2), found(0.5)) == "por debajo de"
    assert versus(found(0.6), found(0.5)) == "sin separarse de"
    assert versus({"low": 0.5, "high": 0.6}, {"low": 0.4, "high": 0.5}) == "sin separarse de"


def test_las_redes_dicen_su_cabeza_su_rejilla_y_sus_aciertos(place):
    table = networks_table(place)
    assert list(table.index) == ["CNN", "VGG16"]
    assert table.loc["CNN", "rejilla"] == "15 × 14"
    assert table.loc["CNN", "ROC-AUC"] == "0.900 (0.850 a 0.950)"
    assert table.loc["CNN", "neumonías acertadas"] == "8 de 12\u202f345"
    assert table.loc["VGG16", "después de la última convolución"] == HEADS["vgg16"]


def test_los_mapas_ciegos_llevan_las_tres_medidas(place):
    table = blind_table(pd.DataFrame(place["references"]), "cnn")
    assert list(table.index) == ["uniforme", "máscara media"]
    assert list(table.columns) == ["apuntar", "calor dentro", "IoU"]
    area = masks().mean()
    assert table.loc["uniforme", "apuntar"].startswith(f"{area:.3f} (")


def test_la_ultima_capa_de_cada_red_junto_a_la_mascara_media(place):
    table = heads_table(place)
    assert list(table["capa"]) == ["conv2", "conv2"]
    assert table.loc["CNN", "Grad-CAM"] == "0.000 (0.000 a 0.000)"
    assert table.loc["VGG16", "Grad-CAM"] == "1.000 (1.000 a 1.000)"
    assert table.loc["CNN", "HiResCAM"] == "1.000 (1.000 a 1.000)"
    energy = heads_table(place, "energy_inside")
    assert energy.loc["CNN", "máscara media"] != table.loc["CNN", "máscara media"]


def test_lo_elegido_en_la_validacion_y_lo_medido_en_la_prueba(place):
    table = best_table(place)
    assert table.loc["CNN", "elegido"] == "HiResCAM en conv2"
    assert table.loc["VGG16", "elegido"] == layer_and_method("entrada", "occlusion") == "oclusión"
    assert table.loc["CNN", "validación"] == "0.800 (0.700 a 0.900)"
    assert table.loc["CNN", "prueba"] == "1.000 (1.000 a 1.000)"


def test_la_prueba_entera_deja_fuera_la_validacion_y_los_grupos(place):
    rows, references = whole_test(place)
    assert set(rows["part"]) == {"test"} and set(rows["group"]) == {"todas"}
    assert set(references["group"]) == {"todas"}
    assert len(rows) == 2 * 5 * 3


def test_los_grupos_toman_de_cada_metodo_su_capa(place):
    layers = {"grad_cam": "a/conv1", "occlusion": None, "mean_mask": None}
    rows = group_rows(place, "vgg16", layers)
    assert set(rows["group"]) == {"todas", "pequeña", "grande"}
    assert set(rows["method"]) == set(layers) and set(rows["part"]) == {"test"}
    assert set(rows.loc[rows["method"] == "grad_cam", "layer"]) == {"a/conv1"}
    assert not rows.duplicated(["group", "method", "metric"]).any()


@pytest.fixture
def fidelity() -> pd.DataFrame:
    """«gradient» borra mejor que el azar y no inserta mejor; «centre» empata en todo."""
    steps = np.linspace(0, 1, 5)
    noise = RNG.uniform(0, 0.02, (8, 5))

    def curve(shift: float) -> Curve:
        return Curve(steps, 0.5 + shift + noise)

    tied = Faithfulness(curve(0), curve(0))
    curves = {
        "gradient": Faithfulness(curve(-0.3), curve(-0.1)),
        "centre": tied,
        "random_order": tied,
    }
    table = faithfulness_table(curves, PATIENTS, n=50).assign(network="cnn")
    nothing = dict.fromkeys(["difference", "difference_low", "difference_high"], 0.0)
    return pd.concat(
        [table.assign(replacement="mean"), table.assign(replacement="blur", **nothing)]
    )


def test_gana_al_azar_quien_baja_al_borrar_y_quien_sube_al_insertar(fidelity):
    assert better_than_chance(fidelity, "cnn", "deletion", "mean") == ["gradiente"]
    assert better_than_chance(fidelity, "cnn", "insertion", "mean") == []
    inverted = fidelity.assign(
        difference_low=-fidelity["difference_high"], difference_high=-fidelity["difference_low"]
    )
    assert better_than_chance(inverted, "cnn", "insertion", "mean") == ["gradiente"]
    assert better_than_chance(inverted, "cnn", "deletion", "mean") == []
    assert better_than_chance(fidelity, "cnn", "deletion", "blur") == []


def test_ganar_por_menos_de_lo_que_se_imprime_no_es_ganar(fidelity):
    ends = ["difference_low", "difference_high"]
    tiny = fidelity.assign(**dict.fromkeys(ends, -4e-4))
    assert better_than_chance(tiny, "cnn", "deletion", "mean") == []
    assert (
        better_than_chance(tiny.assign(**dict.fromkeys(ends, 4e-4)), "cnn", "insertion", "mean")
        == []
    )
    enough = tiny.assign(**dict.fromkeys(ends, -6e-4))
    assert "gradiente" in better_than_chance(enough, "cnn", "deletion", "mean")


def test_lo_que_queda_al_borrarlo_todo():
    curves = pd.DataFrame(
        {
            "network": "cnn",
            "replacement": replacement,
            "method": method,
            "kind": kind,
            "fraction": fraction,
            "mean": (mean if kind == "deletion" else 1 - mean) / (1 + (replacement == "blur")),
        }
        for replacement in ("mean", "blur")
        for method in ("gradient", "random_order")
        for kind in ("deletion", "insertion")
        for fraction, mean in ((0.0, 0.9), (0.5, 0.4), (1.0, 0.2))
    )
    assert erased(curves, "cnn", "mean") == (0.9, 0.2)
    assert erased(curves, "cnn", "blur") == (0.45, 0.1)
    with pytest.raises(DataError):
        erased(curves, "vgg16", "mean")


def test_la_tabla_de_fidelidad_pone_los_conjuntos_uno_junto_a_otro(fidelity):
    other = fidelity[fidelity["method"] != "gradient"]
    table = fidelity_table({"maqueta": fidelity, "reales": other}, "cnn", "mean")
    assert list(table.index) == ["gradiente", "centro"]
    assert table.loc["gradiente", "maqueta: borrado"] == "-0.300 (-0.300 a -0.300)"
    assert table.loc["gradiente", "reales: inserción"] == "no se midió"
    winners = winners_table({"maqueta": fidelity, "reales": other})
    assert list(winners["al borrar"]) == ["gradiente", "ninguno", "ninguno", "ninguno"]
    assert list(winners["radiografías"]) == ["maqueta", "maqueta", "reales", "reales"]
    assert list(winners["en lugar de lo borrado"]) == 2 * ["gris medio", "desenfoque"]
    blurred = fidelity_table({"maqueta": fidelity}, "cnn", "blur")
    assert blurred.loc["gradiente", "maqueta: borrado"] == "0.000 (0.000 a 0.000)"


@pytest.fixture
def sanity() -> dict:
    """«gradient» conserva el mapa con todo borrado; «occlusion» no, y con etiquetas no se midió."""
    same = RNG.random((8, 12, 12))
    other = RNG.random((8, 12, 12))
    rows = []
    for method, last in {"gradient": same, "occlusion": other}.items():
        table = cascade_table(same, [("logit", same), ("conv1", last)], PATIENTS, n=50)
        rows += records(table, network="cnn", method=method)
    labels = cascade_table(same, [("(etiquetas permutadas)", other)], PATIENTS, n=50)
    who = {"network": "cnn", "method": "gradient"}
    return {
        "cascade": rows,
        "labels": records(labels, **who),
        "verdicts": [
            {**who, "test": "pesos", "changes": False, "kept": ["ssim", "spearman_abs"]},
            {**who, "test": "etiquetas", "changes": True, "kept": []},
            {"network": "cnn", "method": "occlusion", "test": "pesos", "changes": True, "kept": []},
        ],
    }


def test_quien_no_cambia_suspende_con_su_medida_y_su_intervalo(sanity):
    table = sanity_table({"maqueta": sanity})
    assert table.index.tolist() == [("CNN", "gradiente"), ("CNN", "oclusión")]
    assert table.loc[("CNN", "gradiente"), "pesos, maqueta"] == (
        "**no pasa**: SSIM 1.000 (1.000 a 1.000); correlación de rangos 1.000 (1.000 a 1.000)"
    )
    assert list(table["etiquetas, maqueta"]) == ["pasa", "no se midió"]
    assert table.loc[("CNN", "oclusión"), "pesos, maqueta"] == "pasa"
    assert "| CNN | gradiente |" in Table(table)._repr_markdown_()


def test_se_juzga_el_ultimo_paso_y_no_el_primero(sanity):
    last = last_step(sanity, "cnn", "occlusion")
    assert set(last["layer"]) == {"conv1"} and len(last) == 2
    assert (last["value"] < 0.5).all()
    assert set(last_step(sanity, "cnn", "gradient", "etiquetas")["step"]) == {1}


def test_la_lista_de_suspensos_nombra_red_y_conjunto(sanity):
    parts = {"maqueta": sanity, "reales": {**sanity, "verdicts": sanity["verdicts"][1:]}}
    assert failures(parts, "pesos") == ["gradiente de CNN (maqueta)"]
    assert failures(parts, "etiquetas") == []


def test_si_todos_los_mapas_se_parecen_el_suspenso_es_de_ese_parecido(sanity):
    def between(value: float) -> dict:
        rows = [
            {"network": "cnn", "method": "gradient", "metric": metric, **found(value, 0.01)}
            for metric in ("ssim", "spearman_abs")
        ]
        return {**sanity, "between": rows}

    assert alike({"maqueta": between(0.3)}) == []
    assert alike({"maqueta": between(1.0)}) == ["gradiente de CNN (maqueta)"]
    uneven = between(1.0)
    uneven["between"][0].update(found(0.3, 0.01))
    assert alike({"maqueta": uneven}) == []
    passed = {**between(1.0), "verdicts": sanity["verdicts"][1:]}
    assert alike({"maqueta": passed}) == []


def test_el_acuerdo_entre_semillas_va_junto_al_de_otra_radiografia():
    who = {"network": "cnn", "method": "gradient"}
    part = {
        "rows": [
            {**who, "change": change, "metric": metric, **found(value)}
            for change, value in (("1 píxel", 0.9), ("otra semilla", 0.3))
            for metric in ("ssim", "spearman")
        ],
        "between": [
            {**who, "metric": "ssim", **found(0.8)},
            {**who, "metric": "spearman_abs", **found(0.4)},
        ],
    }
    table = agreement_table(part)
    assert len(table) == 1
    assert table.loc["CNN", "otra semilla"] == "0.300 (0.200 a 0.400)"
    assert table.loc["CNN", "otra radiografía"] == "0.400 (0.300 a 0.500)"
    assert agreement_table(part, "ssim").loc["CNN", "otra radiografía"] == "0.800 (0.700 a 0.900)"
    assert list(between_as(part["between"], "spearman")["metric"]) == ["spearman"]


def test_el_calor_en_la_marca_cuenta_los_mapas_que_callan():
    def row(network, method, variant, value, silent):
        who = {"network": network, "method": method, "variant": variant, "metric": "heat"}
        return {**who, **found(value), "n_null": silent}

    rows = [
        row("cnn", "grad_cam", "atajo", 0.1, 145),
        row("cnn", "hires_cam", "atajo", 0.7, 1),
        row("cnn_promedio", "grad_cam", "atajo", 0.6, 0),
        row("cnn_promedio", "hires_cam", "atajo", 0.6, 0),
        row("cnn", "grad_cam", "recorte", 0.9, 0),
        {**row("cnn", "", "atajo", 1.0, 0), "metric": "auc_val"},
    ]
    table = marker_table({"rows": rows}, "atajo")
    assert list(table.columns) == ["CNN", "CNN con promedio"]
    assert table.loc["Grad-CAM", "CNN"] == "0.100 (0.000 a 0.200); 145 mapas nulos"
    assert table.loc["HiResCAM", "CNN"] == "0.700 (0.600 a 0.800); 1 mapa nulo"
    assert table.loc["Grad-CAM", "CNN con promedio"] == "0.600 (0.500 a 0.700)"


def test_lo_aceptado_es_lo_que_no_se_rechaza():
    rows = pd.DataFrame(
        {
            "probe": ["film", "noise"],
            "title": ["radiografía (falsa alarma)", "ruido"],
            "n": [600, 100],
            "flagged": [0.01, 0.9],
            "low": [0.0, 0.8],
            "high": [0.02, 1.0],
        }
    )
    ready = likeness_rows(rows)
    assert list(ready["kind"]) == ["radiografía de prueba", "ruido"]
    assert list(ready["expected"]) == [True, False]
    np.testing.assert_allclose(ready["rate"], [0.99, 0.1])
    np.testing.assert_allclose(ready[["low", "high"]], [[0.98, 1.0], [0.0, 0.2]])
    assert "600" in likeness_bars(ready).alt


def test_la_comprobacion_se_cuenta_en_todas_y_en_las_acertadas():
    def check(kind: str, films: str, passed: float) -> dict:
        ends = {"low": passed - 0.1, "high": passed + 0.1}
        return {"network": "cnn", "map": kind, "films": films, "passed": passed, **ends}

    rows = [
        check("grad_cam", "all", 0.3),
        check("grad_cam", "true_positives", 0.5),
        check("moved", "all", 0.04),
        check("moved", "true_positives", np.nan),
    ]
    truth = [check("truth", "true_positives", 0.9), {**check("grad_cam", "all", 0), "network": "x"}]
    table = checks_table({"maqueta": {"checks": rows + truth}, "reales": {"checks": rows}}, "cnn")
    names = ["Grad-CAM", "Grad-CAM en un lugar al azar", "la máscara verdadera"]
    assert list(table.index) == names
    for title in ("maqueta", "reales"):
        assert list(table[f"{title}: todas"])[:2] == [
            "0.300 (0.200 a 0.400)",
            "0.040 (-0.060 a 0.140)",
        ]
    assert list(table["maqueta: acertadas"]) == [
        "0.500 (0.400 a 0.600)",
        "—",
        "0.900 (0.800 a 1.000)",
    ]
    assert table.loc["la máscara verdadera", "reales: acertadas"] == "—"


def test_los_pares_dicen_si_corren_cuanto_se_parecen_y_cuanto_tardan():
    blank = dict.fromkeys(
        ("correlation", "correlation_low", "ratio_to_ours", "ratio_low", "ratio_high")
    )
    who = {"network": "vgg16_anidada", "method": "grad_cam"}
    rows = [
        {**who, **blank, "peer": "keras.io", "reused": True, "runs": False},
        {**who, **blank, "peer": "neumonia", "reused": True, "runs": True},
        {
            **who,
            "peer": "xplique",
            "reused": False,
            "runs": True,
            "correlation": 0.99,
            "correlation_low": 0.9,
            "ratio_to_ours": 3.04,
            "ratio_low": 2.0,
            "ratio_high": 4.0,
        },
        {**who, **blank, "peer": "otra", "reused": False, "runs": True},
        {**who, **blank, "peer": "otra", "reused": False, "runs": True, "method": "gradient"},
    ]
    table = peers_table(rows, "grad_cam")
    assert list(table.index) == ["keras.io, reutilizada", "xplique", "otra"]
    assert list(table["correlación"]) == ["no corre", "0.990 (desde 0.900)", "—"]
    assert list(table["tiempo"]) == ["—", "3.0 (2.0 a 4.0)", "—"]
    assert set(table["red"]) == {"VGG16 anidada"}
