# Los dos mandatos del libro son `make libro` y `make pruebas`. Cada uno instala lo que necesita.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
DATOS ?= maqueta
RAIZ ?=
PARTICION ?=
SEMILLA ?= 0
SALIDA ?=

BIN := .venv/bin
LISTO := .venv/.listo

export NEUMONIA_DATOS := $(DATOS)
export NEUMONIA_SEMILLA := $(SEMILLA)
ifneq ($(RAIZ),)
export NEUMONIA_RAIZ := $(abspath $(RAIZ))
endif
ifneq ($(PARTICION),)
export NEUMONIA_PARTICION := $(PARTICION)
endif

.PHONY: ayuda libro pruebas estudio estudio-completo confianza miniatura cuadernos revisar limpiar

ayuda:
	@echo "make libro      el sitio y el PDF, en _book/   (DATOS=kermany RAIZ=ruta para las radiografías reales)"
	@echo "make pruebas    todas las pruebas, con cobertura"
	@echo "make estudio    el estudio completo, en estudio/DATOS/PARTICION/"
	@echo "make estudio-completo   además, lo que pediría un revisor: horas, y se puede retomar"
	@echo "make confianza  mide si los mapas merecen confianza, en estudio/confianza/DATOS/: cerca de una hora, y se puede retomar"
	@echo "make miniatura  la red de 28 píxeles sobre PneumoniaMNIST (RAIZ=ruta/al.npz)"
	@echo "make cuadernos  un cuaderno ejecutado por capítulo, en _book/cuadernos/"
	@echo "make revisar    revisa los capítulos sin ejecutarlos"
	@echo "make limpiar    borra lo construido (no los datos ni los modelos)"

$(LISTO): requirements.lock pyproject.toml
	@echo "── Instalamos el entorno en .venv (una vez; cerca de un minuto con buena red)"
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v < (3, 14) else "Necesitamos Python 3.11, 3.12 o 3.13; este es %d.%d. Usemos make PYTHON=/ruta/a/python3.11" % v[:2])'
	@$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(LISTO)

libro: $(LISTO)
	@echo "── Estudio sobre $(DATOS): lo ya calculado no se repite"
	$(BIN)/neumonia estudio --sello .imprenta/estudio.txt
	@echo "── Sitio y PDF"
	$(BIN)/python -m imprenta libro

pruebas: $(LISTO)
	$(BIN)/python -m pytest --cov --cov-report=term-missing:skip-covered --durations=10
	@echo "── Pruebas en verde; la tabla de arriba es la cobertura de src/"

estudio: $(LISTO)
	$(BIN)/neumonia estudio --salida $(or $(SALIDA),estudio/$(DATOS)/$(or $(PARTICION),paciente))

estudio-completo: $(LISTO)
	$(BIN)/neumonia estudio --particion paciente --salida $(or $(SALIDA),estudio/$(DATOS))/paciente --sin-modelos
	$(BIN)/neumonia estudio --particion oficial --salida $(or $(SALIDA),estudio/$(DATOS))/oficial --sin-modelos
	$(BIN)/neumonia revision --salida $(or $(SALIDA),estudio/$(DATOS))/revision

confianza: $(LISTO)
	$(BIN)/neumonia confianza --salida $(or $(SALIDA),estudio/confianza/$(DATOS))

miniatura: $(LISTO)
	$(BIN)/neumonia miniatura --vuelta 1 --busqueda --salida $(or $(SALIDA),estudio/pneumoniamnist)/28px $(if $(RAIZ),--raiz "$(abspath $(RAIZ))")
	$(BIN)/neumonia miniatura --vuelta 2 --busqueda --salida $(or $(SALIDA),estudio/pneumoniamnist)/28px-segunda $(if $(RAIZ),--raiz "$(abspath $(RAIZ))")

cuadernos: $(LISTO)
	$(BIN)/neumonia estudio --sello .imprenta/estudio.txt
	$(BIN)/python -m imprenta cuadernos

revisar: $(LISTO)
	$(BIN)/python -m imprenta revisar

limpiar:
	rm -rf _book .imprenta .quarto .pytest_cache .coverage
	@echo "Borrado lo construido. Los modelos y los datos siguen en la carpeta de trabajo."
