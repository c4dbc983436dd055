# Los dos mandatos del libro son `make libro` y `make pruebas`. Cada uno instala lo que necesita.

# Por omisión, el primer Python 3.11, 3.12 o 3.13 que funcione; se elige otro con PYTHON=/ruta.
PYTHON ?=
DATOS ?= kermany64
RAIZ ?=
PARTICION ?=
SEMILLA ?= 0
SALIDA ?=

BIN := .venv/bin
LISTO := .venv/.listo
PIP := $(BIN)/python -m pip --disable-pip-version-check
# En Linux, con Python 3.11; en Windows y en macOS, menos.
DESCARGA := 870 MB
OCUPA := 3 GB

export NEUMONIA_DATOS = $(DATOS)
export NEUMONIA_SEMILLA := $(SEMILLA)
ifneq ($(RAIZ),)
export NEUMONIA_RAIZ := $(abspath $(RAIZ))
endif
ifneq ($(PARTICION),)
export NEUMONIA_PARTICION := $(PARTICION)
endif

.PHONY: ayuda libro pruebas estudio estudio-completo laboratorio cuadernos revisar limpiar

ayuda:
	@echo "make libro      el sitio y el PDF, en _book/"
	@echo "                (DATOS=kermany RAIZ=ruta/al.zip, con las radiografías en su tamaño original)"
	@echo "make pruebas    todas las pruebas, con cobertura"
	@echo "make estudio    el estudio completo, en estudio/DATOS/PARTICION/"
	@echo "make estudio-completo   además, lo que pediría un revisor: horas, y se puede retomar"
	@echo "make laboratorio   repite los experimentos de la maqueta (o DATOS=kermany), en estudio/laboratorio/: horas, y se puede retomar"
	@echo "make cuadernos  un cuaderno ejecutado por capítulo, en _book/cuadernos/"
	@echo "make revisar    revisa los capítulos sin ejecutarlos"
	@echo "make limpiar    borra lo construido (no los datos ni los modelos)"

# El candado lo dice todo, así que pip no elige ni busca nada (--no-deps): da lo mismo con el pip de
# cualquier Python y con lo que publique mañana el registro. Si algo se interrumpe, la marca no llega
# a escribirse y la siguiente vez el entorno se hace entero de nuevo; lo ya descargado se reutiliza.
$(LISTO): requirements.lock pyproject.toml
	@set -e; \
	for python in $(if $(PYTHON),'$(PYTHON)',python3.11 python3.12 python3.13 python3 python) ''; do \
	  test -n "$$python" || { \
	    echo "Necesitamos Python 3.11, 3.12 o 3.13 con su módulo venv, y $(if $(PYTHON),$(PYTHON) no lo es,no lo encontramos)."; \
	    echo "En Debian o Ubuntu: apt install python3 python3-venv. Si está en otro lugar: make PYTHON=/ruta/a/python3.11"; \
	    exit 1; } >&2; \
	  "$$python" -c 'import sys, ensurepip, venv; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && break; \
	done; \
	echo "── Instalamos el entorno en .venv, una sola vez: se descargan unos $(DESCARGA) y ocupa unos $(OCUPA) en el disco"; \
	"$$python" -m venv --clear .venv
	$(PIP) install --no-deps --no-compile --require-hashes -r requirements.lock
	$(PIP) install --no-deps --no-build-isolation --editable .
	$(PIP) check
	@touch $(LISTO)
	@echo "── Entorno listo"

libro: $(LISTO)
	@echo "── Estudio sobre $(DATOS): lo ya calculado no se repite"
	$(BIN)/neumonia estudio --sello .imprenta/estudio.txt
	@echo "── Sitio y PDF"
	$(BIN)/python -m imprenta libro

pruebas: $(LISTO)
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder --cov --cov-report=term-missing:skip-covered --durations=10
	@echo "── Pruebas en verde; la tabla de arriba es la cobertura de src/"

estudio: $(LISTO)
	$(BIN)/neumonia estudio --salida $(or $(SALIDA),estudio/$(DATOS)/$(or $(PARTICION),paciente))

estudio-completo: $(LISTO)
	$(BIN)/neumonia estudio --particion paciente --salida $(or $(SALIDA),estudio/$(DATOS))/paciente --sin-modelos
	$(BIN)/neumonia estudio --particion oficial --salida $(or $(SALIDA),estudio/$(DATOS))/oficial --sin-modelos
	$(BIN)/neumonia revision --salida $(or $(SALIDA),estudio/$(DATOS))/revision
	$(BIN)/neumonia robustez --salida $(or $(SALIDA),estudio/$(DATOS))/robustez

# Se hace donde se sabe la verdad, en la maqueta, salvo que se pidan las radiografías completas.
laboratorio: DATOS := $(if $(filter kermany,$(DATOS)),kermany,maqueta)
laboratorio: $(LISTO)
	$(BIN)/neumonia laboratorio --salida $(or $(SALIDA),estudio/laboratorio/$(DATOS))

cuadernos: $(LISTO)
	$(BIN)/neumonia estudio --sello .imprenta/estudio.txt
	$(BIN)/python -m imprenta cuadernos

revisar: $(LISTO)
	$(BIN)/python -m imprenta revisar

limpiar:
	rm -rf _book .imprenta .quarto .pytest_cache .coverage
	@echo "Borrado lo construido. Los modelos y los datos siguen en la carpeta de trabajo."
