"""La tabla del README sale de los estudios publicados."""

import pytest

from neumonia.errors import DataError
from neumonia.files import write_json
from neumonia.lab.readme import (
    BEGIN,
    END,
    find_studies,
    results_table,
    table_block,
    update_readme,
)
from neumonia.study.published import Published


def publish(root, split: str, accuracy: float, models=("cnn", "vgg16")) -> Published:
    folder = root / "estudio" / "kermany" / split
    names = ("specificity", "sensitivity", "accuracy", "roc_auc")
    values = {"n": 20, **dict.fromkeys(names, 0.5), "accuracy": accuracy, "roc_auc": None}
    intervals = {name: [0.25, 0.75] for name in names} | {"roc_auc": [None, None]}
    write_json(
        folder / "results.json",
        {
            "config": {"dataset": "kermany", "split": split},
            "models": {name: {"test": values, "test_interval": intervals} for name in models},
        },
    )
    return Published(folder)


def test_una_fila_por_modelo_con_su_intervalo_y_rayas_donde_no_hay(tmp_path):
    table = results_table([publish(tmp_path, "paciente", 0.9)])
    assert list(table["modelo"]) == ["CNN", "VGG16"]
    assert list(table["n"]) == ["20", "20"]
    assert table.loc[0, "exactitud"] == "0.900 (0.250 a 0.750)"
    assert table.loc[0, "ROC-AUC"] == "— (—)"
    assert list(table.columns)[4] == "especificidad"


def test_los_estudios_se_encuentran_en_un_orden_fijo(tmp_path):
    for split in ("oficial", "paciente"):
        publish(tmp_path, split, 0.5)
    (tmp_path / "estudio" / "kermany" / "incompleto").mkdir()
    assert [study.folder.name for study in find_studies(tmp_path)] == ["paciente", "oficial"]


def test_el_readme_se_actualiza_solo_entre_sus_marcas(tmp_path):
    publish(tmp_path, "paciente", 0.9, models=("cnn",))
    readme = tmp_path / "README.md"
    readme.write_text(f"# Título\n\n{BEGIN}\nviejo\n{END}\n\nfinal\n", encoding="utf-8")
    update_readme(readme)
    text = readme.read_text(encoding="utf-8")
    assert text.startswith(f"# Título\n\n{BEGIN}\n") and text.endswith(f"{END}\n\nfinal\n")
    assert "viejo" not in text and "0.900 (0.250 a 0.750)" in text
    assert table_block(tmp_path) in text
    update_readme(readme)
    assert readme.read_text(encoding="utf-8") == text


@pytest.mark.parametrize(
    "text", ["sin marcas", BEGIN, END, f"{END}\n{BEGIN}", f"{BEGIN}{BEGIN}{END}"]
)
def test_sin_sus_marcas_el_readme_no_se_toca(tmp_path, text):
    publish(tmp_path, "paciente", 0.9)
    readme = tmp_path / "README.md"
    readme.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match="una vez y en este orden"):
        update_readme(readme)
    assert readme.read_text(encoding="utf-8") == text


def test_sin_archivo_o_sin_estudios_lo_dice(tmp_path):
    with pytest.raises(DataError, match="No existe"):
        update_readme(tmp_path / "README.md")
    (tmp_path / "README.md").write_text(f"{BEGIN}\n{END}", encoding="utf-8")
    with pytest.raises(DataError, match="No hay estudios publicados"):
        update_readme(tmp_path / "README.md")


def test_la_elegida_y_las_redes_pequenas_tienen_su_fila(tmp_path):
    publish(tmp_path, "paciente", 0.9, models=("cnn",))
    names = ("specificity", "sensitivity", "accuracy", "roc_auc")

    def exam(dataset, networks):
        folder = tmp_path / "estudio" / dataset / "robustez"
        folder.mkdir(parents=True)
        (folder / "examen.csv").write_text(f"network,score\n{networks[0]},0.9\n", "utf-8")
        # La elegida se cuenta como conjunto, con cinco vistas y el umbral del examen.
        kinds = [("conjunto", 5, "examen", 0.91), ("media", 1, "0.5", 0.87)]
        rows = [
            f"{network},oficial,test,{views},{cut},{seed},{name},{value},0.85,0.94,624"
            for network in networks
            for seed, views, cut, value in kinds
            for name in names
        ]
        head = "network,split,part,views,threshold,seed,metric,value,low,high,n"
        (folder / "medidas.csv").write_text("\n".join([head, *rows]) + "\n", "utf-8")

    exam("kermany", ["vgg112-todo", "cnn64-todo"])
    exam("pneumoniamnist", ["cnn28-todo"])
    lines = table_block(tmp_path).splitlines()
    assert len([line for line in lines if line.startswith("| kermany | paciente")]) == 1
    (chosen,) = [line for line in lines if "elegida" in line]
    assert "112 px" in chosen and chosen.count("0.910 (0.850 a 0.940)") == len(names)
    small = [line for line in lines if "CNN robusta" in line]
    assert ["64 px" in small[0], "28 px" in small[1]] == [True, True]
    assert all(line.count("0.870 (0.850 a 0.940)") == len(names) for line in small)
