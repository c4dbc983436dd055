"""Decodificar: qué se acepta, cómo se lleva a 8 bits y qué se rechaza."""

import io

import numpy as np
import pytest
from PIL import Image

from neumonia.datasets import images
from neumonia.datasets.images import decode, decode_with_mode, resize
from neumonia.errors import ConfigError, ImageError


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def ramp() -> np.ndarray:
    return (np.arange(600).reshape(20, 30) % 256).astype(np.uint8)


def test_el_png_gris_vuelve_identico(ramp):
    result = decode_with_mode(encoded(Image.fromarray(ramp)))
    np.testing.assert_array_equal(result.pixels, ramp)
    assert (result.mode, result.format) == ("L", "PNG")
    assert result.pixels.dtype == np.uint8


def test_se_lee_de_una_ruta_y_de_bytes(tmp_path, ramp):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(Image.fromarray(ramp)))
    np.testing.assert_array_equal(decode(path), decode(path.read_bytes(), "a.png"))


def test_el_jpeg_coincide_con_pillow(ramp):
    content = encoded(Image.fromarray(ramp), "JPEG", quality=90)
    expected = np.asarray(Image.open(io.BytesIO(content)))
    np.testing.assert_array_equal(decode(content), expected)


def test_dieciseis_bits_se_dividen_entre_257(ramp):
    deep = ramp.astype(np.uint16) * 257
    np.testing.assert_array_equal(decode(encoded(Image.fromarray(deep))), ramp)


def test_dieciseis_bits_no_se_recortan_ni_se_estiran():
    deep = np.array([[0, 4095], [32768, 65535]], dtype=np.uint16)
    np.testing.assert_array_equal(decode(encoded(Image.fromarray(deep))), [[0, 16], [128, 255]])


def test_el_color_se_reduce_a_luminancia():
    colour = np.zeros((1, 3, 3), dtype=np.uint8)
    colour[0, 0, 0] = colour[0, 1, 1] = colour[0, 2, 2] = 255
    # Pesos de la recomendación ITU-R 601-2: 0,299 R + 0,587 G + 0,114 B.
    np.testing.assert_array_equal(decode(encoded(Image.fromarray(colour))), [[76, 150, 29]])


def test_la_transparencia_se_compone_sobre_negro():
    pixels = np.array([[[200, 200, 200, 255], [200, 200, 200, 0]]], dtype=np.uint8)
    np.testing.assert_array_equal(decode(encoded(Image.fromarray(pixels, "RGBA"))), [[200, 0]])


def test_gris_con_transparencia():
    pixels = np.array([[[200, 255], [200, 0]]], dtype=np.uint8)
    np.testing.assert_array_equal(decode(encoded(Image.fromarray(pixels, "LA"))), [[200, 0]])


def test_la_paleta_usa_sus_colores_y_su_transparencia():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 10, 10, 240, 240, 240])
    image.putdata([0, 1])
    np.testing.assert_array_equal(decode(encoded(image)), [[10, 240]])
    np.testing.assert_array_equal(decode(encoded(image, transparency=1)), [[10, 0]])


def test_cmyk_y_un_bit(ramp):
    cmyk = encoded(Image.new("CMYK", (8, 8), (0, 0, 0, 255)), "JPEG")
    assert decode_with_mode(cmyk).mode == "CMYK"
    assert decode(cmyk).max() <= 2
    binary = Image.fromarray(ramp > 128)
    np.testing.assert_array_equal(decode(encoded(binary)), np.where(ramp > 128, 255, 0))


def test_se_respeta_la_orientacion_exif(ramp):
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = decode(encoded(Image.fromarray(ramp), "JPEG", exif=exif, quality=95))
    plain = decode(encoded(Image.fromarray(ramp), "JPEG", quality=95))
    np.testing.assert_array_equal(turned, np.rot90(plain, -1))


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("keep", [0.3, 0.6, 0.9])
def test_un_archivo_truncado_se_nombra(kind, keep):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    content = encoded(Image.fromarray(noise), kind)
    with pytest.raises(ImageError, match=r"peli\.jpeg.*(truncado|dañado)"):
        decode(content[: int(len(content) * keep)], "peli.jpeg")


def test_un_archivo_vacio_lo_dice():
    with pytest.raises(ImageError, match=r"nada\.png: el archivo está vacío"):
        decode(b"", "nada.png")


@pytest.mark.parametrize("content", [b"hola", b"\x00" * 500, b"GIF89a" + b"\x00" * 60])
def test_lo_que_no_es_jpeg_ni_png_se_rechaza(content):
    with pytest.raises(ImageError, match=r"imagen en memoria: no es un JPEG ni un PNG"):
        decode(content)


def test_dicom_se_reconoce_y_dice_que_hacer():
    with pytest.raises(ImageError, match=r"DICOM.*PNG"):
        decode(b"\x00" * 128 + b"DICM" + b"\x00" * 50, "caso.dcm")


def test_una_bomba_se_rechaza_antes_de_decodificarla(monkeypatch):
    bomb = encoded(Image.new("L", (300, 300)))
    monkeypatch.setattr(images, "MAX_PIXELS", 80_000)
    with pytest.raises(ImageError, match="300 × 300"):
        decode(bomb, "bomba.png")


def test_la_guardia_de_pillow_tambien_habla_espanol(monkeypatch):
    bomb = encoded(Image.new("L", (300, 300)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ImageError, match=r"bomba\.png: declara demasiados píxeles"):
        decode(bomb, "bomba.png")


def test_un_archivo_enorme_no_se_lee_entero(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_BYTES", 2**20)
    path = tmp_path / "enorme.png"
    path.write_bytes(b"\x00" * (2**20 + 1))
    with pytest.raises(ImageError, match="pasa de 1 MiB"):
        decode(path)


def test_una_ruta_que_falta_y_una_carpeta(tmp_path):
    with pytest.raises(ImageError, match="no se puede leer"):
        decode(tmp_path / "falta.png")
    with pytest.raises(ImageError, match="no se puede leer"):
        decode(tmp_path)


def test_cambiar_de_tamano_promedia_y_conserva_lo_constante():
    flat = np.full((37, 53), 91, dtype=np.uint8)
    np.testing.assert_array_equal(resize(flat, 16), np.full((16, 16), 91))
    checker = np.indices((64, 64)).sum(axis=0) % 2 * 255
    small = resize(checker.astype(np.uint8), 8)
    # Un vecino más cercano daría solo 0 y 255.
    assert np.abs(small.astype(int) - 127).max() <= 4


def test_el_mismo_tamano_devuelve_una_copia(ramp):
    square = np.ascontiguousarray(ramp[:, :20])
    copy = resize(square, 20)
    np.testing.assert_array_equal(copy, square)
    copy[0, 0] = 7
    assert square[0, 0] == 0


def test_acepta_vistas_no_contiguas(ramp):
    np.testing.assert_array_equal(resize(ramp.T, 8), resize(np.ascontiguousarray(ramp.T), 8))


@pytest.mark.parametrize(
    ("image", "size"),
    [
        (np.zeros((4, 4), dtype=float), 8),
        (np.zeros((4, 4, 3), dtype=np.uint8), 8),
        (np.zeros((0, 4), dtype=np.uint8), 8),
        (np.zeros((4, 4), dtype=np.uint8), 0),
    ],
)
def test_cambiar_de_tamano_rechaza_lo_impropio(image, size):
    with pytest.raises(ConfigError):
        resize(image, size)


@pytest.mark.real
def test_las_originales_coinciden_con_pillow_pixel_a_pixel(shared):
    import zipfile

    with zipfile.ZipFile(shared / "datos" / "chest_xray_originales_muestra.zip") as archive:
        for name in archive.namelist()[::16]:
            content = archive.read(name)
            expected = np.asarray(Image.open(io.BytesIO(content)).convert("L"))
            np.testing.assert_array_equal(decode(content, name), expected)
