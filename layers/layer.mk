# How `sam build` makes each layer. Its own python builder would check no hashes of packages for another
# processor and would leave out the bytecode, without which Lambda, whose /opt is read-only, compiles every
# module again at each cold start.

PYTHON := python3.13
PACKAGES := $(ARTIFACTS_DIR)/python

# glibc 2.34 is Amazon Linux 2023's, which the runtime runs on.
install = $(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
	--require-hashes --only-binary :all: --no-deps --no-compile \
	--python-version 3.13 --implementation cp \
	$(foreach glibc,2_34 2_28 2_17,--platform manylinux_$(glibc)_$(PROCESSOR)) \
	--target "$(PACKAGES)" -r requirements.txt

# Unchecked, because a layer's times are the archive's; the paths are those that tracebacks show.
compile = $(PYTHON) -m compileall -q -j 0 --invalidation-mode unchecked-hash \
	-s "$(ARTIFACTS_DIR)" -p /opt "$(PACKAGES)"

# The services that the handlers call; botocore describes 400 others in 25 MB.
MODELS := dynamodb lambda s3 secretsmanager stepfunctions

build-TryonLayer:
	mkdir -p "$(PACKAGES)"
	cp -R tryon "$(PACKAGES)"
	find "$(PACKAGES)" -name __pycache__ -prune -exec rm -r {} +
	$(compile)

build-DependenciesLayer:
	$(install)
	find "$(PACKAGES)/botocore/data" -mindepth 1 -maxdepth 1 -type d $(MODELS:%=! -name %) -exec rm -r {} +
	rm -r "$(PACKAGES)/bin"
	echo $(PROCESSOR) > "$(PACKAGES)/PROCESSOR"
	$(compile)

build-ImagingLayer build-SdkLayer:
	$(install)
	$(compile)

build-VisionLayer: weights-of-faces
	$(install)
	$(compile)

# What `make weights` has fetched; a stack without `FaceChecks=network` needs none.
weights-of-faces:
	mkdir -p "$(ARTIFACTS_DIR)"
	[ ! -d weights ] || cp -R weights "$(ARTIFACTS_DIR)/weights"
