"""Zips y carpetas hostiles, truncados o desordenados: nada se escribe fuera ni se infla."""

import os
import stat
import zipfile

import pytest

from neumonia.datasets import archive
from neumonia.datasets.archive import _place, open_source
from neumonia.datasets.chest_xray import import_kermany
from neumonia.errors import DataError, ImageError


def reasons(listing) -> dict[str, str]:
    return {item.name: item.reason for item in listing.skipped}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("train/NORMAL/a.jpeg", ("train", 0, "a.jpeg")),
        ("x/y/TEST/pneumonia/a.jpeg", ("test", 1, "a.jpeg")),
        ("Val/Normal/a.png", ("val", 0, "a.png")),
        ("NORMAL/a.jpeg", None),
        ("train/COVID/a.jpeg", None),
        ("entrenamiento/NORMAL/a.jpeg", None),
        ("train/NORMAL/sub/a.jpeg", None),
        ("train/NORMAL/notas.txt", None),
        ("__MACOSX/train/NORMAL/a.jpeg", None),
        ("train/NORMAL/._a.jpeg", None),
    ],
)
def test_el_lugar_sale_de_las_dos_ultimas_carpetas(path, expected):
    parts = tuple(path.split("/"))
    assert _place(parts, parts) == expected


@pytest.mark.parametrize("prefix", ["", "chest_xray/", "archive/chest_xray/chest_xray/", "./x/"])
def test_se_encuentra_a_cualquier_profundidad(make_zip, tree, prefix):
    with open_source(make_zip(tree, prefix)) as listing:
        assert [entry.image_id for entry in listing.entries] == sorted(tree)
        assert all(entry.read() == tree[entry.image_id] for entry in listing.entries)
        assert listing.skipped == ()


def test_el_arbol_duplicado_y_macosx_no_cuentan(make_zip, tree):
    content = {f"chest_xray/{name}": data for name, data in tree.items()}
    content |= {f"chest_xray/chest_xray/{name}": data for name, data in tree.items()}
    content |= {f"__MACOSX/chest_xray/{name.replace('IM', '._IM')}": b"x" for name in tree}
    content["chest_xray/train/NORMAL/.DS_Store"] = b"x"
    content["chest_xray/leame.txt"] = b"x"
    content["chest_xray/train/NORMAL/notas.txt"] = b"x"
    with open_source(make_zip(content, prefix="")) as listing:
        assert len(listing.entries) == len(tree)
        assert listing.repeated == len(tree)
        assert listing.ignored == len(tree) + 3
        assert listing.skipped == ()
        assert all(entry.source.count("chest_xray") == 1 for entry in listing.entries)


def test_mismo_nombre_con_otro_contenido_se_avisa(make_zip, film):
    content = {
        "a/train/NORMAL/IM-0001-0001.jpeg": film(1),
        "a/b/train/NORMAL/IM-0001-0001.jpeg": film(2),
        "a/train/NORMAL/im-0001-0001.JPEG": film(3),
    }
    with open_source(make_zip(content, prefix="")) as listing:
        assert len(listing.entries) == 1
        assert listing.entries[0].read() == film(1)
        assert listing.repeated == 0
        assert set(reasons(listing)) == set(content) - {"a/train/NORMAL/IM-0001-0001.jpeg"}
        assert "otro contenido" in next(iter(reasons(listing).values()))


HOSTILE = [
    "../../fuera/train/NORMAL/a.jpeg",
    "chest_xray/train/NORMAL/../../../../a.jpeg",
    "/etc/train/NORMAL/a.jpeg",
    "C:/train/NORMAL/a.jpeg",
    "train\\NORMAL\\a.jpeg",
    "x/train/NORMAL/..\\..\\a.jpeg",
    "../carpeta/",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_un_zip_hostil_no_escribe_fuera(tmp_path, make_zip, tree, name, film):
    path = make_zip({**tree})
    with zipfile.ZipFile(path, "a") as hostile:
        info = zipfile.ZipInfo("x")
        info.filename = name
        hostile.writestr(info, film(77))
    inside = tmp_path / "caja" / "datos"
    before = set(tmp_path.rglob("*"))
    report = import_kermany(path, inside, progress=False)
    assert report.imported == len(tree)
    assert [item.name for item in report.skipped] == [name]
    assert "fuera de la carpeta" in report.skipped[0].reason
    new = set(tmp_path.rglob("*")) - before - {inside.parent}
    assert all(inside in (item, *item.parents) for item in new)


@pytest.mark.parametrize("name", ["a\x00.jpeg", "a\n.jpeg", "a:b.jpeg", "a|b.png"])
def test_un_nombre_con_caracteres_peligrosos_se_rechaza(make_zip, tree, film, name):
    path = make_zip(tree)
    with zipfile.ZipFile(path, "a") as hostile:
        info = zipfile.ZipInfo("x")
        info.filename = f"train/NORMAL/{name}"
        hostile.writestr(info, film(9))
    with open_source(path) as listing:
        assert len(listing.entries) == len(tree)
        ((shown, reason),) = reasons(listing).items()
        assert "caracteres no admitidos" in reason
        assert shown.isprintable()


def test_un_enlace_simbolico_dentro_del_zip_se_rechaza(make_zip, tree):
    path = make_zip(tree)
    with zipfile.ZipFile(path, "a") as hostile:
        info = zipfile.ZipInfo("train/NORMAL/enlace.jpeg")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        hostile.writestr(info, "/etc/passwd")
    with open_source(path) as listing:
        assert reasons(listing) == {"train/NORMAL/enlace.jpeg": "es un enlace simbólico"}


def test_una_entrada_que_se_infla_mil_veces_se_rechaza(tmp_path, tree):
    path = tmp_path / "bomba.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("train/NORMAL/bomba.jpeg", bytes(4 * 2**20))
        for name, data in tree.items():
            bomb.writestr(name, data)
    assert path.stat().st_size < 2**20
    with open_source(path) as listing:
        assert len(listing.entries) == len(tree)
        assert "se infla" in reasons(listing)["train/NORMAL/bomba.jpeg"]


def test_una_entrada_demasiado_grande_se_rechaza(make_zip, film, monkeypatch):
    monkeypatch.setattr(archive, "MAX_BYTES", 100)
    with open_source(make_zip({"train/NORMAL/a.jpeg": film()})) as listing:
        assert listing.entries == ()
        assert "el límite es" in listing.skipped[0].reason


def test_un_zip_que_declara_demasiado_se_rechaza_entero(make_zip, tree, monkeypatch):
    path = make_zip(tree)
    monkeypatch.setattr(archive, "MAX_TOTAL_BYTES", 5000)
    with pytest.raises(DataError, match="GiB de imágenes"), open_source(path):
        pass
    monkeypatch.setattr(archive, "MAX_ENTRIES", 10)
    with pytest.raises(DataError, match="declara 24 archivos"), open_source(path):
        pass


def test_una_entrada_cifrada_se_rechaza(make_zip, film):
    path = make_zip({"train/NORMAL/a.jpeg": film()}, prefix="")
    raw = bytearray(path.read_bytes())
    raw[raw.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(raw)
    with open_source(path) as listing:
        assert reasons(listing) == {"train/NORMAL/a.jpeg": "está cifrado con contraseña"}


def test_una_entrada_danada_dentro_del_zip_se_nombra(make_zip, film):
    data = film()
    path = make_zip({"train/NORMAL/a.jpeg": data}, prefix="")
    raw = path.read_bytes()
    path.write_bytes(raw.replace(data, data[:-9] + bytes(9), 1))
    with open_source(path) as listing, pytest.raises(ImageError, match=r"a\.jpeg: está dañado"):
        listing.entries[0].read()


@pytest.mark.parametrize("lie", [-10, 5])
def test_un_tamano_declarado_falso_no_pasa(make_zip, film, lie):
    """El índice miente: la lectura se corta donde dice, y la suma o el largo ya no coinciden."""
    path = make_zip({"train/NORMAL/a.jpeg": film()}, prefix="")
    raw = bytearray(path.read_bytes())
    place = raw.index(b"PK\x01\x02") + 24
    declared = int.from_bytes(raw[place : place + 4], "little") + lie
    raw[place : place + 4] = declared.to_bytes(4, "little")
    path.write_bytes(raw)
    with (
        open_source(path) as listing,
        pytest.raises(ImageError, match=r"dañado|no es el que declara"),
    ):
        listing.entries[0].read()


@pytest.mark.parametrize("keep", [0.0, 0.4, 0.95])
def test_un_zip_truncado_lo_dice_en_espanol(make_zip, tree, keep):
    path = make_zip(tree)
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * keep)])
    with pytest.raises(DataError, match="no es un zip legible: está truncado"), open_source(path):
        pass


def test_una_ruta_que_no_existe(tmp_path):
    with pytest.raises(DataError, match="No existe"), open_source(tmp_path / "nada.zip"):
        pass


def test_la_carpeta_puede_ser_la_raiz_o_una_de_dentro(make_folder, tree):
    root = make_folder(tree)
    for place, expected in ((root, 24), (root / "train", 8), (root / "train" / "NORMAL", 4)):
        with open_source(place) as listing:
            assert len(listing.entries) == expected
            assert all(entry.read() == tree[entry.image_id] for entry in listing.entries)


def test_la_carpeta_rechaza_otros_formatos_y_enlaces_rotos(make_folder, tree):
    root = make_folder(
        {**tree, "train/NORMAL/a.dcm": b"x", "train/NORMAL/b.tiff": b"x", ".oculta/x": b"x"}
    )
    os.symlink(root / "falta.jpeg", root / "train" / "NORMAL" / "roto.jpeg")
    with open_source(root) as listing:
        found = reasons(listing)
    assert len(listing.entries) == len(tree)
    assert "PNG" in found["train/NORMAL/a.dcm"]
    assert "PNG" in found["train/NORMAL/b.tiff"]
    assert "enlace está roto" in found["train/NORMAL/roto.jpeg"]
    assert listing.ignored == 1


def test_una_carpeta_con_enlaces_en_circulo_termina(make_folder, tree):
    root = make_folder(tree)
    os.symlink(root, root / "train" / "vuelta")
    with open_source(root) as listing:
        assert len(listing.entries) == len(tree)


def test_la_clave_cambia_con_el_contenido(make_zip, tree, film):
    def key(content, name):
        with open_source(make_zip(content, name=name)) as listing:
            return listing.key

    first = key(tree, "a.zip")
    assert key(tree, "b.zip") == first
    changed = {**tree, "train/NORMAL/IM-0000-0001.jpeg": film(55)}
    assert key(changed, "c.zip") != first


def test_en_una_carpeta_la_copia_se_reconoce_por_su_tamano(make_folder, film):
    root = make_folder(
        {
            "train/NORMAL/IM-1-1.jpeg": film(1),
            "copia/train/NORMAL/IM-1-1.jpeg": film(1),
            "train/NORMAL/IM-2-1.jpeg": film(2),
            "otra/train/NORMAL/IM-2-1.jpeg": film(2, size=(90, 80)),
        }
    )
    with open_source(root) as listing:
        assert len(listing.entries) == 2
        assert listing.repeated == 1
        assert list(reasons(listing)) == ["otra/train/NORMAL/IM-2-1.jpeg"]
