"""Las fichas: cada número se puede recalcular, cada sección está y nada se cita sin listarlo."""

import re
import shutil
from pathlib import Path

import pandas as pd
import pytest
import yaml
from scipy.stats import binomtest
from sklearn.metrics import recall_score, roc_auc_score

from neumonia.cards import TITLES, Models, data_card, open_models
from neumonia.cards.document import subtypes
from neumonia.cards.models import HIT, subgroup_table
from neumonia.datasets import open_dataset
from neumonia.datasets.chest_xray import open_kermany
from neumonia.errors import DataError
from neumonia.evaluation import bootstrap_by_patient
from neumonia.files import read_json, write_json
from neumonia.study import published
from neumonia.text import number

ROOT = Path(__file__).resolve().parents[2]
MODEL_SECTIONS = [
    "Detalles del modelo", "Uso previsto", "Factores", "Métricas", "Datos de evaluación",
    "Datos de entrenamiento", "Análisis cuantitativos", "Consideraciones éticas",
    "Advertencias y fallos conocidos", "Referencias",
]  # fmt: skip
DATA_SECTIONS = [
    "Motivación", "Composición", "Recolección", "Preprocesamiento y limpieza", "Usos",
    "Distribución", "Mantenimiento", "Referencias",
]  # fmt: skip


@pytest.fixture(scope="module")
def models():
    """Lo publicado de verdad, con el examen de robustez."""
    return open_models(root=ROOT)


@pytest.fixture(scope="module")
def real(models):
    return models.studies


@pytest.fixture(scope="module")
def card(models):
    return models.card()


@pytest.fixture
def project(tmp_path) -> Path:
    """Un proyecto con una copia de lo publicado que se puede estropear."""
    for exam in ("paciente", "oficial"):
        folder = tmp_path / "estudio" / "kermany" / exam
        folder.mkdir(parents=True)
        for name in ("results.json", "predictions.csv", "provenance.json"):
            shutil.copy(ROOT / "estudio" / "kermany" / exam / name, folder / name)
    for name in ("revision", "robustez"):
        (folder.parent / name).symlink_to(ROOT / "estudio" / "kermany" / name)
    return tmp_path


def headings(text: str) -> list[str]:
    return re.findall(r"^## (.+)$", text, re.M)


def values(cell: str) -> list[float]:
    return [float(value) for value in re.findall(r"\d+\.\d+", cell)]


def test_el_subtipo_es_el_que_da_abrir_las_radiografias(tmp_path):
    from PIL import Image

    names = [
        "train/NORMAL/IM-0001-0001.jpeg", "train/NORMAL/NORMAL2-IM-0012-0001.jpeg",
        "test/PNEUMONIA/person1_virus_6.jpeg", "train/PNEUMONIA/person447_virus_921_1.jpeg",
        "val/PNEUMONIA/person2_bacteria_3.jpeg", "val/PNEUMONIA/otra cosa.jpeg",
    ]  # fmt: skip
    for shade, name in enumerate(names):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (20, 20), 30 * shade).save(tmp_path / name)
    manifest = open_kermany(tmp_path, progress=False).manifest
    assert len(manifest) == len(names)
    assert subtypes(manifest["image_id"]).tolist() == manifest["subtype"].tolist()
    assert set(manifest["subtype"]) == {"normal", "bacteria", "virus", ""}


def test_un_identificador_sin_clase_se_rechaza():
    with pytest.raises(DataError, match="no dice su clase"):
        subtypes(["train/person1_virus_6.jpeg"])


@pytest.mark.real
def test_el_subtipo_es_el_de_los_archivos_reales(shared, real):
    import zipfile

    archive = shared / "datos" / "chest_xray_224.zip"
    with zipfile.ZipFile(archive) as zipped:
        files = {
            "/".join(Path(name).parts[-3:])
            for name in zipped.namelist()
            if name.endswith(".jpeg") and "__MACOSX" not in name
        }
    films = real[0].predictions["image_id"]
    found = pd.Series(subtypes(films))
    assert set(films) == files
    for kind in ("bacteria", "virus"):
        assert (found == kind).sum() == sum(kind in name for name in files)


@pytest.mark.parametrize(("exam", "model"), [(0, "cnn"), (1, "vgg16")])
def test_la_tabla_por_subgrupo_es_la_que_calcula_scikit_learn(real, exam, model):
    predictions = real[exam].predictions
    table = subgroup_table(predictions, model, n=50).set_index(["subgroup", "metric"])
    test = predictions[predictions["split"] == "test"]
    normal = test["label"] == 0
    for title, word in (("neumonía bacteriana", "_bacteria_"), ("neumonía viral", "_virus_")):
        mine = test["image_id"].str.contains(word)
        part = test[mine | normal]
        guess = part[f"p_{model}"] >= 0.5
        row = table.loc[(title, "sensitivity")]
        assert row["value"] == pytest.approx(recall_score(part["label"], guess))
        assert (row["n"], row["patients"]) == (mine.sum(), test.loc[mine, "patient"].nunique())
        auc = roc_auc_score(part["label"], part[f"p_{model}"])
        assert table.loc[(title, "roc_auc"), "value"] == pytest.approx(auc)
    guess = test[f"p_{model}"] >= 0.5
    specificity = recall_score(test["label"], guess, pos_label=0)
    assert table.loc[("normales", "specificity"), "value"] == pytest.approx(specificity)
    assert (table["low"] <= table["value"]).all() and (table["value"] <= table["high"]).all()


def test_los_intervalos_por_subgrupo_remuestrean_pacientes_con_su_semilla(real):
    predictions = real[0].predictions
    table = subgroup_table(predictions, "cnn", seed=3, n=200)
    test = predictions[predictions["split"] == "test"]
    part = test[test["image_id"].str.contains("_virus_") | (test["label"] == 0)]
    columns = (part["label"], part["p_cnn"], part["patient"])
    expected = bootstrap_by_patient(*columns, "sensitivity", n=200, seed=3)
    row = table[(table["subgroup"] == "neumonía viral") & (table["metric"] == "sensitivity")]
    assert row[["low", "high"]].iloc[0].tolist() == list(expected)


def test_una_etiologia_sin_radiografias_no_aparece(real):
    predictions = real[0].predictions
    without = predictions[~predictions["image_id"].str.contains("_virus_")]
    table = subgroup_table(without, "cnn", n=20)
    assert table["subgroup"].unique().tolist() == ["neumonía bacteriana", "normales"]


def test_las_metricas_de_la_ficha_son_las_de_las_predicciones(real, card):
    table = card.tables["Por examen"]
    table = table[~table["red y examen"].str.startswith("modelo elegido")]
    assert len(table) == 4
    for row in table.to_dict("records"):
        name, exam = row["red y examen"].split(" ", 1)
        study = real[0 if exam == "(por paciente)" else 1]
        column = {"CNN": "p_cnn", "VGG16": "p_vgg16"}[name]
        test = study.predictions[study.predictions["split"] == "test"]
        guess = test[column] >= 0.5
        expected = {
            "especificidad": recall_score(test["label"], guess, pos_label=0),
            "sensibilidad": recall_score(test["label"], guess),
            "ROC-AUC": roc_auc_score(test["label"], test[column]),
        }
        for name, value in expected.items():
            assert row[name].split()[0] == number(value)
            first, low, high = values(row[name])
            assert low <= first <= high


def test_los_valores_predictivos_son_los_de_bayes(models, card):
    table = card.tables["A baja prevalencia"]
    assert table["prevalencia"].str[:-2].astype(float).tolist() == [1, 5, 20] * 5
    run = next(models.runs())
    sens, spec = (models.triples(run)[name][0] for name in ("sensitivity", "specificity"))
    share = 0.05
    positive = sens * share / (sens * share + (1 - spec) * (1 - share))
    negative = spec * (1 - share) / (spec * (1 - share) + (1 - sens) * share)
    cells = table.iloc[1][["valor predictivo positivo", "valor predictivo negativo"]]
    assert [cell.split()[0] for cell in cells] == [number(positive), number(negative)]


@pytest.mark.parametrize("model", TITLES)
def test_la_ficha_trae_todas_las_secciones_y_ninguna_cita_sin_resolver(model):
    text = open_models([model], ROOT).card().standalone()
    assert headings(text) == MODEL_SECTIONS
    assert text.startswith(f"# Ficha de modelo: {TITLES[model]}\n\n**Para aprender")
    assert "[@" not in text and "{{" not in text and "Mitchell M. et al. (2019)" in text


def test_el_libro_muestra_las_mismas_secciones_sin_las_tablas(card):
    whole = card.standalone()
    for title in MODEL_SECTIONS[:-1]:
        text = card.section(title)
        assert text and "###" not in text and text.split("[@")[0].strip() in whole


def test_si_cambian_los_resultados_cambia_la_ficha(project):
    before = open_models(["cnn"], project).card().standalone()
    folder = project / "estudio" / "kermany" / "oficial"
    results = read_json(folder / "results.json")
    results["models"]["cnn"]["test"]["specificity"] = 0.1234
    results["models"]["cnn"]["test_interval"]["specificity"] = [0.1111, 0.1357]
    results["data"]["split_digest"] = "nuevo-reparto"
    write_json(folder / "results.json", results)
    table = pd.read_csv(folder / "predictions.csv", keep_default_na=False)
    viral = table["image_id"].str.contains("_virus_") & (table["split"] == "test")
    table.loc[viral, "p_cnn"] = 0.01
    table.to_csv(folder / "predictions.csv", index=False)
    after = open_models(["cnn"], project).card().standalone()
    for expected in ("0.123 (0.111 a 0.136)", "nuevo-reparto", "viral 0.000 (0.000 a 0.000)"):
        assert expected in after and expected not in before


def test_un_intervalo_sin_fallos_lleva_su_limite_exacto(models, card):
    perfect = [
        (run, row)
        for run, table in models.subgroups.items()
        for row in table.itertuples(index=False)
        if row.low == 1
    ]
    assert perfect, "ninguna etiología quedó sin fallos: hace falta otro caso"
    text = card.section("Análisis cuantitativos")
    for run, row in perfect:
        exact = binomtest(row.patients, row.patients).proportion_ci(method="exact").low
        assert f"{run}, {row.subgroup}, {number(exact)} ({row.patients} pacientes)" in text


def test_el_elegido_se_mide_con_su_umbral_y_su_promedio(models, card):
    exam = models.exam
    predictions = exam.predictions
    normals = predictions[predictions["label"] == 0]
    shown = card.tables["Por examen"].iloc[-1]
    auc = roc_auc_score(predictions["label"], predictions["p"])
    assert values(shown["ROC-AUC"])[0] == pytest.approx(auc, abs=5e-4)
    specificity = (normals["p"] < exam.threshold).mean()
    assert values(shown["especificidad"])[0] == pytest.approx(specificity, abs=5e-4)
    assert exam.threshold != 0.5
    groups = card.tables["Por subgrupo"]
    mine = groups[groups["red y examen"].str.startswith("modelo elegido")]
    normal = mine[mine["grupo"] == "normales"].iloc[0]
    assert values(normal[HIT])[0] == pytest.approx(specificity, abs=5e-4)


def test_las_advertencias_dicen_lo_publicado(models, card):
    text = card.section("Advertencias y fallos conocidos")
    baselines = models.review.part("atajos")["baselines"]
    for rows in baselines.values():
        blind = [row for row in rows if row["baseline"] not in ("majority", "pixels")]
        best = max(blind, key=lambda row: row["roc_auc"])
        assert f"{best['name']}, {number(best['roc_auc'])}" in text
    contrast = models.review.part("protocolos")["contrasts"]["vgg16"]["adquisicion"]["roc_auc"][0]
    assert f"VGG16, {number(contrast)}" in text


def test_un_modelo_o_unos_datos_que_no_estan_se_dicen(project):
    path = project / "estudio" / "kermany" / "paciente" / "results.json"
    results = read_json(path)
    del results["models"]["vgg16"]
    write_json(path, results)
    runs = {(run.model, run.exam) for run in open_models(root=project).runs()}
    assert runs == {("cnn", "paciente"), ("cnn", "oficial"), ("vgg16", "oficial"),
                    ("elegido", "oficial")}  # fmt: skip
    (project / "estudio" / "kermany" / "oficial" / "results.json").unlink()
    with pytest.raises(DataError, match=r"'vgg16'\. Los que hay: cnn"):
        open_models(["vgg16"], project)
    results["data"]["name"] = "maqueta"
    write_json(path, results)
    with pytest.raises(DataError, match="maqueta"):
        open_models(root=project)


def test_sin_estudios_o_sin_examen_no_hay_ficha(models, project, tmp_path_factory):
    with pytest.raises(DataError, match="al menos un estudio"):
        Models((), models.review, models.exam)
    with pytest.raises(DataError, match="neumonia robustez"):
        (project / "estudio" / "kermany" / "robustez").unlink()
        open_models(root=project)
    with pytest.raises(DataError, match="No hay un estudio publicado"):
        open_models(root=tmp_path_factory.mktemp("vacio"))


def test_las_citas_de_las_fichas_estan_en_la_bibliografia():
    bibliography = (ROOT / "book" / "referencias.bib").read_text(encoding="utf-8")
    names = ROOT / "src" / "neumonia" / "templates" / "ficha-referencias.yml"
    for key, (short, full) in yaml.safe_load(names.read_text(encoding="utf-8")).items():
        entry = re.search(rf"@\w+\{{{key},(.*?)\n\}}", bibliography, re.S)
        assert entry, key
        year = re.search(r"year\s*=\s*\{(\d+)\}", entry[1])[1]
        assert year in short and f"({year})" in full


def test_la_ficha_de_los_datos_trae_las_siete_secciones(real):
    text = data_card(real).standalone()
    assert headings(text) == DATA_SECTIONS
    assert "[@" not in text and "Gebru T. et al. (2021)" in text
    data = real[0].results["data"]
    for expected in (data["fingerprint"], str(data["films"]), str(data["patients"]), "CC BY 4.0",
                     *(study.results["data"]["split_digest"] for study in real)):  # fmt: skip
        assert expected in text
    repeated = open_dataset("kermany64").manifest.groupby("sha256").size().loc[lambda n: n > 1]
    assert f"{len(repeated)} grupos" in text
    assert f"con {repeated.sum() - len(repeated)} de sobra" in text


def test_la_composicion_es_la_de_los_nombres_de_los_archivos(real):
    table = data_card(real).tables["Carpetas oficiales"]
    films = real[0].predictions
    last = table.iloc[-1]
    assert (last["radiografías"], last["pacientes"]) == (len(films), films["patient"].nunique())
    assert table["radiografías"][:-1].sum() == len(films)
    viral = films[films["image_id"].str.match(r"train/PNEUMONIA/person\d+_virus")]
    row = table[(table["carpeta"] == "entrenamiento") & (table["grupo"] == "neumonía viral")]
    found = row[["radiografías", "pacientes"]].iloc[0].tolist()
    assert found == [len(viral), viral["patient"].nunique()]


def test_si_cambian_los_datos_cambia_su_ficha(project):
    folder = project / "estudio" / "kermany" / "oficial"
    stamp, results = read_json(folder / "provenance.json"), read_json(folder / "results.json")
    stamp["data"]["skipped"] = ["a.jpeg: dañada", "b.jpeg: vacía"]
    stamp["data"]["license"] = "CC0"
    results["data"] |= {"patients": 4321, "fingerprint": "otra-huella"}
    write_json(folder / "provenance.json", stamp)
    write_json(folder / "results.json", results)
    text = data_card([published("kermany", "oficial", project)]).standalone()
    for expected in ("se rechazaron 2.", "CC0", "4321", "otra-huella"):
        assert expected in text
    with pytest.raises(DataError, match="más de uno"):
        data_card([published("kermany", exam, project) for exam in ("paciente", "oficial")])
