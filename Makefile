# SPDX-License-Identifier: BSD-2-Clause
#
# The only entry point: builds, runs, tests, measures and documents Paravane. `make help` lists the
# targets. Everything made goes to build/, most of it to build/CONF, where CONF names compiler and
# kind (gcc-release, clang-debug, ...), so that the four builds never mix. Sources are found by
# wildcards: adding a file to a folder is enough. No recipe depends on the order of a -j run.

.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules
.DEFAULT_GOAL := all
SHELL := /bin/bash
PYTHON := /usr/bin/python3

# Debian packages: what `make deps` installs. Names only; a lint checks that every tool called here
# or in a script belongs to one of them.
PACKAGES := bash coreutils util-linux findutils grep sed mawk make git \
    gcc g++ libc6-dev binutils clang libclang-rt-14-dev clang-format cloc \
    python3 python3-minimal qemu-system-x86 qemu-system-data seabios \
    grub-common grub-pc-bin grub-efi-amd64-bin ovmf xorriso mtools e2fsprogs \
    check libsubunit-dev pkg-config gdb \
    doxygen python3-sphinx python3-breathe furo

# What the campaigns need beside them: `make deps-assurance`.
PACKAGES_ASSURANCE := spin gcovr

# --- deps come first ------------------------------------------------------------------------------
# `make deps run` on a fresh machine: nothing may be built, nor any compiler asked, before the
# packages are there. So when deps is among the goals, the others are run by a second make.

DEPS := $(firstword $(filter deps-assurance,$(MAKECMDGOALS)) $(filter deps,$(MAKECMDGOALS)))
GOALS_AFTER_DEPS := $(filter-out deps deps-assurance,$(MAKECMDGOALS))
ifneq ($(DEPS),)

.PHONY: deps deps-assurance $(GOALS_AFTER_DEPS)
$(filter-out $(DEPS),deps deps-assurance): $(DEPS)
	@:
WANTED := $(PACKAGES) $(if $(filter deps-assurance,$(DEPS)),$(PACKAGES_ASSURANCE))
$(DEPS):
	@installed=$$(dpkg-query -W -f '$${db:Status-Status} $${Package}\n' $(WANTED) 2>/dev/null | \
	    sed -n 's/^installed //p'); \
	missing=$$(for p in $(WANTED); do \
	    case $$'\n'"$$installed"$$'\n' in *$$'\n'"$$p"$$'\n'*) ;; *) echo $$p;; esac; done); \
	[ -n "$$missing" ] || exit 0; \
	echo "installing:" $$missing; \
	if [ "$$(id -u)" != 0 ]; then echo "make $(DEPS): run it as root to install these" >&2; exit 1; fi; \
	export DEBIAN_FRONTEND=noninteractive; \
	apt-get update -qq </dev/null && \
	apt-get install -y -qq --no-install-recommends $$missing </dev/null

ifneq ($(GOALS_AFTER_DEPS),)
$(firstword $(GOALS_AFTER_DEPS)): $(DEPS)
	+@$(MAKE) --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$$(nproc)) \
	    $(GOALS_AFTER_DEPS)
$(wordlist 2,$(words $(GOALS_AFTER_DEPS)),$(GOALS_AFTER_DEPS)): $(firstword $(GOALS_AFTER_DEPS))
	@:
endif

else

# --- configuration --------------------------------------------------------------------------------

ifneq ($(filter default undefined,$(origin CC)),)
CC := gcc
endif
ifneq ($(origin CC),file)
$(if $(shell command -v $(firstword $(CC))),,$(error CC=$(CC): there is no such compiler))
endif
COMPILER := $(if $(findstring clang,$(CC)),clang,gcc)

# Tests run on the debug build, where the audit follows each of them, unless DEBUG=0 is said.
ifneq ($(filter test test-repeat fuzz,$(MAKECMDGOALS)),)
DEBUG ?= 1
endif
DEBUG ?= 0
ifeq ($(DEBUG),1)
KIND := debug
else ifeq ($(DEBUG),0)
KIND := release
else
$(error DEBUG is 0 or 1, not '$(DEBUG)')
endif

CONF := $(COMPILER)-$(KIND)
# B= on the command line is not the folder: it picks rows of `make bench`, or is a file of bench-diff.
PICKED := $(if $(filter command,$(firstword $(origin B))),$(B))
override B := build/$(CONF)
V ?= 0
ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-7s %s\n'
endif

LD := ld
AR := ar
NM := nm
OBJCOPY := objcopy

# --- flags ----------------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wstrict-prototypes \
    -Wmissing-prototypes -Wvla -Wundef -Wcast-qual -Wimplicit-fallthrough -Werror
OPTIMIZE_debug := -O1
OPTIMIZE_release := -O2
COMMON := -std=c17 -g $(OPTIMIZE_$(KIND)) $(WARNINGS) -DHYP_DEBUG=$(DEBUG) \
    '-ffile-prefix-map=$(CURDIR)=.'

# Only the compiler's own headers exist for freestanding code. Asked for once, when first needed.
BUILTIN_INCLUDE = $(eval BUILTIN_INCLUDE := $$(shell $(CC) -print-file-name=include))$(BUILTIN_INCLUDE)
TARGET_clang := --target=x86_64-unknown-none-elf -fdebug-compilation-dir=.
FREESTANDING = $(TARGET_$(COMPILER)) -ffreestanding -nostdinc -isystem $(BUILTIN_INCLUDE) \
    -fno-stack-protector -mno-red-zone -mgeneral-regs-only -fno-strict-aliasing -fno-common \
    -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections

HYP_INCLUDES := -Iabi -Ihyp/include
LHC_INCLUDES := -Iabi -Ilibhypercall/include
PVG_INCLUDES := $(LHC_INCLUDES) -Ipvguest/include
# On the host our headers must not hide the C library's (<string.h>): quoted includes see ours first.
# A folder that is in both searches is left out of the first; hyp's headers are quoted only. The last
# one is for tests that take a whole source in, to replace the hypercalls that it makes inline.
UNIT_FOLDERS := abi libhypercall/include pvguest/include tests/unit
UNIT_INCLUDES := -iquote abi -iquote hyp/include $(foreach d,$(UNIT_FOLDERS),-iquote $(d) -idirafter $(d)) -idirafter .

# hyp is linked far from zero and from the top: position-independent code with hidden symbols needs
# no run-time relocation. It keeps frame pointers, for the backtrace of a panic, but for functions
# that call nothing: what called one of these is not in the backtrace of a fault in it.
FLAGS_hyp = $(COMMON) $(FREESTANDING) -fpie -mcmodel=small -fvisibility=hidden \
    -fno-omit-frame-pointer -momit-leaf-frame-pointer -include hyp/include/hidden.h $(HYP_INCLUDES) -I$(B)/gen/hyp
GUEST = $(COMMON) $(FREESTANDING) -mcmodel=kernel -fno-pic -fno-pie
FLAGS_libhypercall = $(GUEST) $(LHC_INCLUDES) -I$(B)/gen/libhypercall
FLAGS_pvguest = $(GUEST) $(PVG_INCLUDES) -I$(B)/gen/pvguest
FLAGS_native = $(GUEST) $(PVG_INCLUDES) -I$(B)/gen/native
# Attacks touch address 0 and its neighbours on purpose.
TESTS_gcc := --param=min-pagesize=0
FLAGS_tests = $(GUEST) $(TESTS_$(COMPILER)) $(PVG_INCLUDES) -Itests/harness/guest \
    -I$(B)/gen/libhypercall
FLAGS_user = $(COMMON) $(FREESTANDING) -fno-pic -fno-pie $(PVG_INCLUDES)
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
CHECK_FLAGS = $(shell pkg-config --cflags check)
CHECK_LIBS = $(shell pkg-config --libs check)
FLAGS_unit = $(COMMON) -fno-strict-aliasing -DHYP_UNIT=1 $(SANITIZE) $(UNIT_INCLUDES) $(CHECK_FLAGS)

LDFLAGS := -nostdlib -static --no-dynamic-linker -z noexecstack -z max-page-size=4096 \
    --gc-sections

# --- sources --------------------------------------------------------------------------------------

find = $(sort $(filter-out %/asm-offsets.c,$(wildcard $(foreach d,$(1),$(d)/*.c $(d)/*.S))))
objects = $(patsubst %,$(B)/obj/%.o,$(basename $(1)))

# Debug builds carry the audit, a test of the hypervisor's books from within.
HYP_SOURCES := $(call find,hyp/arch/x86_64 hyp/arch/x86_64/* hyp/core hyp/hc hyp/lib hyp/drivers \
    $(if $(filter 1,$(DEBUG)),tests/audit))
LHC_SOURCES := $(call find,libhypercall/src libhypercall/arch/x86_64)
KERNEL_SOURCES := $(call find,pvguest/kernel pvguest/arch/x86)
PVG_SOURCES := $(KERNEL_SOURCES) $(call find,pvguest/arch/pv)
ROOT_SOURCES := $(call find,pvguest/root pvguest/drivers/back pvguest/drivers/model) \
    $(wildcard pvguest/drivers/hw/virtio*.c pvguest/drivers/hw/pci*.c)
# The same kernel twice: as a guest, and on the bare machine. What is in both is compiled once.
PORTABLE_SOURCES := $(call find,pvguest/guest) \
    $(wildcard $(foreach d,ide uart pci,pvguest/drivers/hw/$(d)*.c))
GUEST_SOURCES := $(PORTABLE_SOURCES) $(call find,pvguest/drivers/front)
NATIVE_SOURCES := $(KERNEL_SOURCES) $(PORTABLE_SOURCES) $(call find,pvguest/arch/native)
USER_SOURCES := $(wildcard pvguest/user/*.c)
USER_SHARED := $(call find,pvguest/user/lib pvguest/arch/user)
HARNESS_SOURCES := $(call find,tests/harness/guest)
UNIT_SOURCES := $(wildcard tests/unit/test_*.c)
FUZZERS := $(patsubst tests/fuzz/%.c,build/fuzz/bin/%,$(wildcard tests/fuzz/*.c))

named = $(patsubst %/,%,$(sort $(dir $(wildcard $(1)/*/*.c))))
EXAMPLES := $(notdir $(call named,libhypercall/examples))
GUEST_TESTS := $(call named,tests/guest)
ATTACKS := $(call named,tests/attack)
BENCHES := $(filter-out tests/bench/plugin,$(call named,tests/bench))
USER_PROGRAMS := $(notdir $(basename $(USER_SOURCES)))
UNIT_TESTS := $(patsubst tests/unit/test_%.c,$(B)/unit/%,$(UNIT_SOURCES))

# A product exists when the folder that holds its core does.
HYP := $(if $(wildcard hyp/hyp.lds hyp/arch/x86_64/hyp.lds),$(B)/hyp.elf)
LHC := $(if $(LHC_SOURCES),$(B)/libhypercall.a)
GUEST_LDS := libhypercall/guest.lds
CAN_LINK_GUESTS := $(and $(wildcard $(GUEST_LDS)),$(LHC))
ROOT := $(if $(and $(CAN_LINK_GUESTS),$(wildcard pvguest/root/main.c)),$(B)/root.elf)
PVGUEST := $(if $(and $(CAN_LINK_GUESTS),$(wildcard pvguest/guest/main.c)),$(B)/pvguest.elf)
NATIVE_LDS := $(wildcard pvguest/arch/native/native.lds)
NATIVE := $(if $(and $(NATIVE_LDS),$(LHC),$(PVGUEST)),$(B)/native.elf)
EXAMPLE_ELFS := $(if $(CAN_LINK_GUESTS),$(EXAMPLES:%=$(B)/%.elf))
TEST_ELFS := $(if $(and $(CAN_LINK_GUESTS),$(HARNESS_SOURCES)),\
    $(patsubst %,$(B)/%.elf,$(GUEST_TESTS) $(ATTACKS)))
# The guest that drives each hypercall to its bound is a test and a benchmark.
BENCH_ELFS := $(if $(and $(CAN_LINK_GUESTS),$(HARNESS_SOURCES)),$(patsubst %,$(B)/%.elf,$(BENCHES) tests/guest/bounds))
CONFIGURATION := $(firstword $(wildcard pvguest/root/paravane.conf pvguest/paravane.conf))
ISO := $(if $(and $(HYP),$(ROOT),$(PVGUEST),$(CONFIGURATION)),$(B)/paravane.iso)

PRODUCTS := $(HYP) $(LHC) $(ROOT) $(PVGUEST) $(NATIVE) $(EXAMPLE_ELFS)

# Rewritten only when the set of sources changes: what is linked from a folder depends on it, so
# that a file taken away leaves the product too.
SOURCE_LIST := $(B)/sources
ifeq ($(filter help clean format loc,$(MAKECMDGOALS)),)
ALL_SOURCES := $(strip $(HYP_SOURCES) $(LHC_SOURCES) $(PVG_SOURCES) $(ROOT_SOURCES) $(GUEST_SOURCES) \
    $(NATIVE_SOURCES) $(USER_SOURCES) $(USER_SHARED) $(HARNESS_SOURCES))
ifneq ($(ALL_SOURCES),$(file <$(SOURCE_LIST)))
ifneq ($(shell mkdir -p $(B) 2>/dev/null && [ -w $(B) ] && echo yes),yes)
$(error everything is built in $(B)/, which may not be written here)
endif
$(file >$(SOURCE_LIST),$(ALL_SOURCES))
endif
endif

# --- targets --------------------------------------------------------------------------------------

.PHONY: all help run run-native debug example iso install test test-repeat bench bench-profile bench-diff docs lint \
    format loc golden clean tests-built bench-built proofs coverage coverage-built mutants fuzz fuzz-host fuzz-corpus

all: $(PRODUCTS)

help:
	@echo 'make deps    install the Debian packages that are missing (as root)'
	@echo 'make         build hyp, the library, the guests and the examples (target: all)'
	@echo 'make run     boot the demonstration: DISK=image, PERSIST=1 to write to it, UEFI=1, SMP=4 processors'
	@echo 'make run-native  the same kernel on the bare machine, without a hypervisor: DISK=image, SMP=4'
	@echo 'make debug   the same, stopped at the start; prints how to attach gdb, with the commands pv ...'
	@echo 'make example E=hello   boot one of libhypercall/examples/ alone'
	@echo 'make iso     the bootable GRUB image'
	@echo 'make install the kit for writing guests: PREFIX=/usr/local, DESTDIR= for packagers'
	@echo 'make test    build and run all tests; T="attack/* unit/frame" picks some, SMP=4 processors'
	@echo 'make test-repeat  the same five times on 1 processor and on 4, up to the first failure: N=5 SMP="1 4"'
	@echo 'make bench   measure; results in build/bench/; B="trap.* block.read_4k*" picks some rows'
	@echo 'make bench-profile  the functions that take the instructions of rows: B="block.read_4k*"'
	@echo 'make bench-diff     compare two results: A=old.json B=new.json; status 1 when a row got worse'
	@echo 'make proofs  search the Spin models, and all short lives of frames (make deps-assurance first)'
	@echo 'make fuzz    random hypercalls by two hostile domains: N=10000000 calls, SEED=, SMP=4'
	@echo 'make fuzz-host   libFuzzer on the readers of bytes and the hypercall layer: SECONDS=600 F=ring; SAME=1'
	@echo 'make mutants  defects in the real code that tests have to notice; M=PATTERN, SHORT=1 for a few'
	@echo 'make sched-sim  the scheduler under a simulator of several processors, with pictures: N=2000 random loads'
	@echo 'make trace   a schedule to look at, in the format of Perfetto, and as a picture: SMP=4 MS=200'
	@echo 'make coverage  lines and branches of hyp/core and hyp/hc that unit tests run (make deps-assurance first)'
	@echo 'make tour    record the disk reads that the guided tour shows'
	@echo 'make docs    the documentation, in build/docs/html/'
	@echo 'make lint    the static checks      make format  apply clang-format'
	@echo 'make loc     count ring 0          make golden  accept a changed ABI layout'
	@echo 'make clean   remove build/'
	@echo
	@echo 'CC=clang, DEBUG=1 (tests: DEBUG=0) and V=1 work with all of them; here: $(CONF)'

iso: $(if $(ISO),$(ISO),missing-iso)

$(if $(shell printf '%s' '$(SMP)' | tr -d '0-9$(if $(filter test-repeat,$(MAKECMDGOALS)), )'),\
    $(error SMP is how many processors, not '$(SMP)'))
$(foreach v,PERSIST UEFI,$(if $(filter-out 0 1,$($(v))),$(error $(v) is 0 or 1, not '$($(v))')))
run debug: $(if $(ISO),$(ISO),missing-iso)
	$(Q)$(PYTHON) tests/harness/demo.py --build $(B) $(if $(filter debug,$@),--gdb) \
	    $(if $(DISK),--disk "$$DISK") $(if $(filter 1,$(PERSIST)),--persist) $(if $(filter 1,$(UEFI)),--uefi)

# An example as the first domain, with its own image as second module (pingpong builds its peer from
# it). Status 33 of QEMU is a shutdown with reason 0.
E ?= hello
ifneq ($(filter example,$(MAKECMDGOALS)),)
$(if $(filter $(E),$(EXAMPLES)),,$(error there is no example '$(E)', only: $(EXAMPLES)))
endif
example: $(HYP) $(EXAMPLE_ELFS)
	$(Q)cd $(B) && qemu-system-x86_64 -machine q35 -cpu max,family=25,model=1 -m 256 -smp $(or $(SMP),1) \
	    -nodefaults -display none -no-reboot -serial stdio -device isa-debug-exit,iobase=0xf4,iosize=4 \
	    -kernel hyp.elf -initrd '$(E).elf,$(E).elf'; [ $$? = 33 ]

run-native: $(NATIVE)
	$(Q)$(PYTHON) tests/harness/native.py --build $(B) $(if $(DISK),--disk "$$DISK") $(if $(SMP),--cpus "$$SMP")

.PHONY: missing-iso
missing-iso:
	@echo 'the ISO needs hyp, root, pvguest and paravane.conf; some sources are not here' >&2; exit 1

# The kit: all that is needed to write, build and boot guests, and nothing that points back here.
PREFIX ?= /usr/local
KIT := libhypercall/kit
INSTALLED := $(DESTDIR)$(PREFIX)
ifneq ($(filter install,$(MAKECMDGOALS)),)
$(if $(filter-out /%,$(or $(PREFIX),$(if $(DESTDIR),,empty))),$(error PREFIX is the whole path of a folder, \
    without a space, as PREFIX=$$HOME/paravane; not '$(PREFIX)'))
endif
ABI_VERSION = $(shell sed -n 's/^\#define HV_ABI_M[AI][JN]OR *\([0-9]*\)u/\1/p' abi/hv_call.h | paste -sd .)
put = install -D -m $(strip $(1)) -t $(INSTALLED)/$(strip $(2)) $(3)
install: $(HYP) $(LHC) $(ROOT)
	$(say) INSTALL $(INSTALLED)
	$(Q)$(call put,644,include/paravane,abi/*.h abi/*.def)
	$(Q)$(call put,644,include/paravane/hvlib,libhypercall/include/hvlib/*.h)
	$(Q)$(call put,644,include/paravane/hvlib/arch,libhypercall/include/hvlib/arch/*.h)
	$(Q)$(call put,644,lib,$(LHC))
	$(Q)$(call put,644,lib/paravane,$(HYP) $(ROOT) $(GUEST_LDS))
	$(Q)mkdir -p $(INSTALLED)/lib/pkgconfig
	$(Q)for p in paravane paravane-cxx; do sed 's/@VERSION@/$(ABI_VERSION)/' $(KIT)/$$p.pc.in \
	    >$(INSTALLED)/lib/pkgconfig/$$p.pc; done
	$(Q)$(call put,755,bin,$(KIT)/paravane-run)
	$(Q)$(call put,644,share/paravane,$(KIT)/grub.cfg.in LICENSE)
	$(Q)$(foreach e,$(notdir $(wildcard libhypercall/examples/*)),$(call put,644,\
	    share/paravane/examples/$(e),$(filter-out %.elf,$(wildcard libhypercall/examples/$(e)/*))) &&) :

# What is built depends on the kinds of tests asked for: lints and unit tests run without a guest.
T ?= *
T_KINDS := $(sort $(foreach t,$(T),$(firstword $(subst /, ,$(t)))))
T_OTHER := $(filter-out lint unit guest attack system,$(T_KINDS))
NEED_UNIT := $(if $(filter unit,$(T_KINDS))$(T_OTHER),$(UNIT_TESTS))
NEED_GUEST := $(if $(filter guest attack system,$(T_KINDS))$(T_OTHER),$(HYP) $(TEST_ELFS))
NEED_SYSTEM := $(if $(filter system,$(T_KINDS))$(T_OTHER),$(PRODUCTS) $(ISO))

tests-built: $(NEED_UNIT) $(NEED_GUEST) $(NEED_SYSTEM)

test: tests-built
	$(Q)CC='$(CC)' $(PYTHON) tests/harness/run.py --build $(B) --jobs $(or $(JOBS),2) \
	    $(foreach t,$(T),'$(t)')

# In a row, so that what fails once in a while is found. The logs are those of the last run.
test-repeat: tests-built
	$(Q)for smp in $(or $(SMP),1 4); do for n in $$(seq $(or $(N),5)); do \
	    echo "run $$n of $(or $(N),5) with SMP=$$smp"; \
	    CC='$(CC)' SMP=$$smp $(PYTHON) tests/harness/run.py --build $(B) --jobs $(or $(JOBS),2) \
	    $(foreach t,$(T),'$(t)') || exit 1; done; done

lint:
	$(Q)CC='$(CC)' $(PYTHON) tests/harness/run.py --build $(B) --jobs $(or $(JOBS),2) $(foreach t,$(T),'$(if $(filter lint/%,$(t)),$(t),lint/$(t))')

# Campaigns: their tools come with `make deps-assurance`.
proofs:
	$(Q)$(PYTHON) tests/proof/run.py --out build/proof --includes '$(UNIT_INCLUDES)'

# A source that no unit test takes in is compiled all the same, and counts as not run.
COVERED := hyp/core hyp/hc
COVERAGE := CONF=coverage CC=gcc DEBUG=1 SANITIZE='--coverage -fprofile-abs-path'
coverage-built: $(patsubst %.c,$(B)/obj/unit/%.o,$(call find,$(COVERED)))
coverage:
	$(Q)if [ -d build/coverage ]; then find build/coverage -name '*.gcda' -delete; fi
	$(Q)$(MAKE) --no-print-directory $(COVERAGE) coverage-built
	$(Q)$(MAKE) --no-print-directory $(COVERAGE) T='unit/*' test
	$(Q)$(PYTHON) tests/harness/coverage.py --build build/coverage $(COVERED)

# Random hypercalls in a guest, by the lists; and libFuzzer on what reads bytes that others wrote.
SECONDS ?= 600
ifneq ($(filter fuzz fuzz-host test-repeat,$(MAKECMDGOALS)),)
$(foreach v,N SEED JOBS SECONDS,$(if $(shell printf '%s' '$($(v))' | tr -d 0-9),\
    $(error $(v) is a number, not '$($(v))')))
$(if $(filter-out 0 1,$(SAME)),$(error SAME is 0 or 1, not '$(SAME)'))
endif
fuzz: $(HYP) $(TEST_ELFS)
	$(Q)$(PYTHON) tests/fuzz/calls.py --build $(B) --calls $(or $(N),10000000) --seed $(or $(SEED),0) \
	    $(if $(SMP),--cpus $(SMP)) --jobs $(or $(JOBS),$(if $(SMP),1,2))
$(foreach f,$(F),$(if $(wildcard tests/fuzz/$(f).c),,$(error there is no fuzzer '$(f)', only: $(FUZZERS:build/fuzz/bin/%=%))))
fuzz-host: $(if $(F),$(F:%=build/fuzz/bin/%),$(FUZZERS))
	$(Q)$(PYTHON) tests/fuzz/host.py $(if $(filter 1,$(SAME)),--inputs,--seconds $(SECONDS)) \
	    --jobs $(or $(JOBS),2) $^
fuzz-corpus: $(FUZZERS)
	$(Q)$(PYTHON) tests/fuzz/host.py --merge $^

# Needs nothing but what tests need.
mutants:
	$(Q)$(PYTHON) tests/mutants/run.py --work build/mutants --jobs $(or $(JOBS),2) $(if $(SHORT),--short) $(foreach m,$(M),'$(m)')

# The scheduler under the simulator: more random loads than in the test, and pictures.
.PHONY: sched-sim
sched-sim: $(B)/unit/sched_sim
	$(Q)mkdir -p build/sched
	$(Q)$< $(or $(N),2000) build/sched
	$(Q)$(PYTHON) tests/sim/plot.py build/sched
	@echo 'build/sched/: weights.svg cap.svg rotation.svg late.svg latency.svg'

# A schedule to look at: root records one, QEMU has SMP= processors.
ifneq ($(filter trace,$(MAKECMDGOALS)),)
$(foreach v,SMP MS,$(if $(shell printf '%s' '$($(v))' | tr -d 0-9),$(error $(v) is a number, not '$($(v))')))
endif
.PHONY: trace
trace: $(HYP) $(ROOT) $(PVGUEST)
	$(Q)$(PYTHON) tests/trace/record.py --build $(B) --out build/trace --cpus $(or $(SMP),2) --ms $(or $(MS),200)

golden:
	$(Q)CC='$(CC)' $(PYTHON) tests/lint/abi_layout.py --write

# Counts inside QEMU: code for the host.
COUNTER := $(if $(wildcard tests/bench/plugin/count.c),$(B)/bench/count.so)
$(COUNTER): tests/bench/plugin/count.c Makefile
	$(say) PLUGIN $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -O2 $(WARNINGS) -shared -fPIC -fvisibility=hidden $< -o $@

bench-built: $(PRODUCTS) $(BENCH_ELFS) $(COUNTER)

bench: bench-built
	$(Q)$(PYTHON) tests/bench/run.py --build $(B) --out build/bench $(BENCH_ARGS) $(foreach b,$(PICKED),'$(b)')

bench-profile: bench-built
	$(Q)$(PYTHON) tests/bench/profile.py --build $(B) --out build/bench $(BENCH_ARGS) $(foreach b,$(PICKED),'$(b)')

bench-diff:
	$(Q)$(PYTHON) tests/bench/diff.py '$(A)' '$(PICKED)'

# What docs/tour.rst shows: a test compares it with what happens.
.PHONY: tour
tour: $(HYP) $(ROOT) $(PVGUEST)
	$(Q)$(PYTHON) tests/harness/tour.py --build $(B)

docs:
	$(Q)$(PYTHON) docs/build.py build/docs

FORMATTED = $(wildcard $(foreach d,abi hyp libhypercall pvguest tests,$(shell find $(d) \
    -name '*.[ch]' 2>/dev/null)))
format:
	$(Q)$(if $(FORMATTED),clang-format -i $(FORMATTED))

loc:
	$(Q)if [ -d hyp ]; then cloc --quiet --by-file-by-lang hyp; fi

clean:
	$(Q)rm -rf build

# --- compiling ------------------------------------------------------------------------------------

# $(1): first folder, $(2): name of the flags
define compile
$(B)/obj/$(1)/%.o: $(1)/%.c Makefile
	$$(say) CC $$<
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$(FLAGS_$(2)) -MMD -MP -c $$< -o $$@
$(B)/obj/$(1)/%.o: $(1)/%.S Makefile
	$$(say) AS $$<
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$(FLAGS_$(2)) -MMD -MP -c $$< -o $$@
endef
$(eval $(call compile,pvguest/user,user))
$(eval $(call compile,pvguest/arch/user,user))
$(eval $(call compile,pvguest/arch/native,native))
$(eval $(call compile,tests/audit,hyp))
$(foreach a,hyp libhypercall pvguest tests,$(eval $(call compile,$(a),$(a))))

# Structure offsets for assembly: the compiler writes marker lines into its assembly output.
# $(1): name under gen/, $(2): folder of asm-offsets.c, $(3): flags, $(4): sources that include it
define offsets
$(B)/gen/$(1)/asm-offsets.h: $(2)/asm-offsets.c Makefile
	$$(say) GEN $$@
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$(FLAGS_$(3)) -MMD -MP -MF $$(@D)/asm-offsets.d -MT $$@ -S $$< -o $$(@D)/asm-offsets.s
	$$(Q)sed -n 's/.*->\([A-Za-z0-9_]*\) \$$$$*\(-\{0,1\}[0-9][0-9]*\).*/#define \1 \2/p' \
	    $$(@D)/asm-offsets.s >$$@
$(call objects,$(filter %.S,$(4))): | $(B)/gen/$(1)/asm-offsets.h
endef
HYP_OFFSETS := $(wildcard hyp/arch/x86_64/asm-offsets.c)
LHC_OFFSETS := $(wildcard libhypercall/arch/x86_64/asm-offsets.c)
PVG_OFFSETS := $(wildcard pvguest/arch/pv/asm-offsets.c)
NATIVE_OFFSETS := $(wildcard pvguest/arch/native/asm-offsets.c)
TEST_ASM := $(wildcard tests/harness/guest/*.S tests/guest/*/*.S tests/attack/*/*.S tests/bench/*/*.S)
$(if $(HYP_OFFSETS),$(eval $(call offsets,hyp,hyp/arch/x86_64,hyp,$(HYP_SOURCES))))
$(if $(LHC_OFFSETS),$(eval $(call offsets,libhypercall,libhypercall/arch/x86_64,libhypercall,\
    $(LHC_SOURCES) $(TEST_ASM))))
$(if $(PVG_OFFSETS),$(eval $(call offsets,pvguest,pvguest/arch/pv,pvguest,$(PVG_SOURCES))))
$(if $(NATIVE_OFFSETS),$(eval $(call offsets,native,pvguest/arch/native,native,\
    $(call find,pvguest/arch/native))))

# --- hyp ------------------------------------------------------------------------------------------
# The symbol table for backtraces is made from the linked image and linked in again. Its section
# may move what follows it: link until the table says the truth, and refuse if it does not.

HYP_LDS := $(firstword $(wildcard hyp/arch/x86_64/hyp.lds hyp/hyp.lds))
HYP_OBJECTS := $(call objects,$(HYP_SOURCES))
HYP_LINK = $(LD) $(LDFLAGS) --build-id=sha1 -T $(HYP_LDS)
SYMBOLS := $(B)/gen/hyp/symbols

# $(1): image, $(2): table
symbols = $(NM) -n $(1) | awk -f hyp/symbols.awk >$(2)
# $(1): number of the table to link in, $(2): image
link_hyp = $(CC) $(TARGET_$(COMPILER)) -c $(SYMBOLS)$(1).S -o $(SYMBOLS)$(1).o && \
    $(HYP_LINK) $(HYP_OBJECTS) $(SYMBOLS)$(1).o -o $(2)

$(B)/hyp.elf: $(HYP_OBJECTS) $(HYP_LDS) hyp/symbols.awk $(SOURCE_LIST) Makefile
	$(say) LINK $@
	$(Q)mkdir -p $(B)/gen/hyp
	$(Q)awk -f hyp/symbols.awk </dev/null >$(SYMBOLS)0.S
	$(Q)$(call link_hyp,0,$(SYMBOLS)0.elf)
	$(Q)$(call symbols,$(SYMBOLS)0.elf,$(SYMBOLS)1.S)
	$(Q)$(call link_hyp,1,$(SYMBOLS)1.elf)
	$(Q)$(call symbols,$(SYMBOLS)1.elf,$(SYMBOLS)2.S)
	$(Q)$(call link_hyp,2,$@)
	$(Q)$(call symbols,$@,$(SYMBOLS)3.S)
	$(Q)cmp -s $(SYMBOLS)2.S $(SYMBOLS)3.S || \
	    { echo 'hyp.elf: the symbol table does not agree with the image' >&2; exit 1; }

# --- libhypercall, guests -------------------------------------------------------------------------

LHC_OBJECTS := $(call objects,$(LHC_SOURCES))
$(B)/libhypercall.a: $(LHC_OBJECTS) $(SOURCE_LIST)
	$(say) AR $@
	$(Q)rm -f $@ && $(AR) rcsD $@ $(LHC_OBJECTS)

HARNESS_OBJECTS := $(call objects,$(HARNESS_SOURCES))
$(B)/obj/tests/harness.a: $(HARNESS_OBJECTS) $(SOURCE_LIST)
	$(say) AR $@
	$(Q)mkdir -p $(@D) && rm -f $@ && $(AR) rcsD $@ $(HARNESS_OBJECTS)

# $(1): product, $(2): objects and archives, $(3): options. One linker script for every guest.
define guest
$(1): $(2) $(LHC) $(GUEST_LDS) $(SOURCE_LIST) Makefile
	$$(say) LINK $$@
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(LD) $$(LDFLAGS) $(3) -T $(GUEST_LDS) $(filter-out %.a,$(2)) --start-group \
	    $(filter %.a,$(2)) $(LHC) --end-group -o $$@
endef

PVG_OBJECTS := $(call objects,$(PVG_SOURCES))
# Root lies higher than any guest, so that an address tells a debugger or a profile whose it is.
$(if $(ROOT),$(eval $(call guest,$(ROOT),$(PVG_OBJECTS) $(call objects,$(ROOT_SOURCES)),\
    --defsym=hv_image_gpa=0x400000)))
$(if $(PVGUEST),$(eval $(call guest,$(PVGUEST),$(PVG_OBJECTS) $(call objects,$(GUEST_SOURCES)) \
    $(if $(USER_PROGRAMS),$(B)/obj/user.o))))
$(if $(CAN_LINK_GUESTS),$(foreach e,$(EXAMPLES),$(eval $(call guest,$(B)/$(e).elf,\
    $(call objects,$(call find,libhypercall/examples/$(e)))))))
$(if $(TEST_ELFS),$(foreach t,$(GUEST_TESTS) $(ATTACKS) $(BENCHES),$(eval $(call guest,$(B)/$(t).elf,\
    $(call objects,$(call find,$(t))) $(B)/obj/tests/harness.a))))

# On the bare machine the library gives its string functions and its formatting, nothing else.
NATIVE_OBJECTS := $(call objects,$(NATIVE_SOURCES)) $(if $(USER_PROGRAMS),$(B)/obj/user.o)
$(B)/native.elf: $(NATIVE_OBJECTS) $(LHC) $(NATIVE_LDS) $(SOURCE_LIST) Makefile
	$(say) LINK $@
	$(Q)$(LD) $(LDFLAGS) -Map=$(@:.elf=.map) -T $(NATIVE_LDS) $(NATIVE_OBJECTS) $(LHC) -o $@

# User programs of pvguest: linked alone, then embedded as user_NAME_start .. user_NAME_end.
USER_LDS := $(firstword $(wildcard pvguest/user/user.lds pvguest/arch/user/user.lds))
USER_ELFS := $(USER_PROGRAMS:%=$(B)/user/%.elf)
$(B)/user/%.elf: $(B)/obj/pvguest/user/%.o $(call objects,$(USER_SHARED)) $(USER_LDS) $(SOURCE_LIST)
	$(say) LINK $@
	$(Q)mkdir -p $(@D)
	$(Q)$(LD) $(LDFLAGS) $(if $(USER_LDS),-T $(USER_LDS)) $(filter %.o,$^) -o $@
$(B)/obj/user.S: $(USER_ELFS) Makefile
	$(Q)mkdir -p $(@D)
	$(Q)for p in $(USER_PROGRAMS); do printf '%s\n' '.section .rodata.user,"a"' '.balign 4096' \
	    ".globl user_$${p}_start, user_$${p}_end" "user_$${p}_start:" \
	    ".incbin \"$(B)/user/$$p.elf\"" "user_$${p}_end:"; done >$@
	$(Q)echo '.section .note.GNU-stack,"",@progbits' >>$@
$(B)/obj/user.o: $(B)/obj/user.S $(USER_ELFS)
	$(Q)$(CC) $(TARGET_$(COMPILER)) -c $< -o $@
.SECONDARY:

# --- unit tests -----------------------------------------------------------------------------------
# A test's head comment names the sources it is made of: ` * sources: hyp/core/frame.c ...`.

# pvguest and hyp have headers of the same name: pvguest's sources and tests never see hyp's.
$(B)/obj/unit/pvguest/% $(B)/obj/unit/tests/unit/test_pv% $(B)/obj/unit/tests/unit/host_pv%: \
    UNIT_INCLUDES := $(PVG_INCLUDES) -Itests/unit -idirafter .

# What a test takes in from `-idirafter .` counts as a system header: -MD names those too.
$(B)/obj/unit/%.o: %.c Makefile
	$(say) UNIT $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(FLAGS_unit) -MD -MP -c $< -o $@

unit_sources = $(shell sed -n 's/^ \* sources: //p' $(1))
# $(1): name, $(2): its objects
define unit
$(B)/unit/$(1): $(2)
	$$(say) LINK $$@
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CC) $$(SANITIZE) $$^ $$(CHECK_LIBS) -o $$@
endef
unit_objects = $(patsubst %.c,$(B)/obj/unit/%.o,$(1) $(call unit_sources,$(1)))
ifneq ($(NEED_UNIT),)
$(foreach s,$(UNIT_SOURCES),$(eval $(call unit,$(patsubst tests/unit/test_%.c,%,$(s)),\
    $(call unit_objects,$(s)))))
endif

# --- fuzzers --------------------------------------------------------------------------------------
# As unit tests name their sources, with wildcards; ` * without: ` takes some away again, ` * flags: ` adds
# to the compiler's.

FUZZED = $(filter-out $(shell sed -n 's/^ \* without: //p' $(1)),$(wildcard $(call unit_sources,$(1))))
ifneq ($(filter fuzz-host fuzz-corpus,$(MAKECMDGOALS)),)
EVERY_SOURCE := $(shell find abi hyp libhypercall pvguest tests/unit tests/fuzz -name '*.[ch]' -o -name '*.def')
build/fuzz/bin/%: tests/fuzz/%.c $(EVERY_SOURCE) Makefile
	$(say) FUZZER $@
	$(Q)mkdir -p $(@D)
	$(Q)clang -std=c17 -g -O1 -w -fno-strict-aliasing -DHYP_DEBUG=1 -DHYP_UNIT=1 -fsanitize=fuzzer,address,undefined -fno-sanitize=alignment \
	    -fsanitize-coverage-ignorelist=tests/fuzz/uncounted.list -fno-sanitize-recover=all $(shell sed -n 's/^ \* flags: //p' $<) $(UNIT_INCLUDES) \
	    $(CHECK_FLAGS) $< $(call FUZZED,$<) $(CHECK_LIBS) -o $@
endif

# --- the bootable image ---------------------------------------------------------------------------

GRUB_CFG := tests/harness/grub.cfg
$(B)/paravane.iso: $(HYP) $(ROOT) $(PVGUEST) $(CONFIGURATION) $(GRUB_CFG)
	$(say) ISO $@
	$(Q)rm -rf $(B)/iso && mkdir -p $(B)/iso/boot/grub
	$(Q)cp $(HYP) $(ROOT) $(PVGUEST) $(CONFIGURATION) $(B)/iso/boot/
	$(Q)cp $(GRUB_CFG) $(B)/iso/boot/grub/grub.cfg
	$(Q)grub-mkrescue -o $@ $(B)/iso >$(B)/iso.log 2>&1 || { cat $(B)/iso.log >&2; exit 1; }

# --- dependencies found by the compiler -----------------------------------------------------------

ifeq ($(filter help clean format loc lint docs,$(MAKECMDGOALS)),)
-include $(shell find $(B)/obj $(B)/gen -name '*.d' 2>/dev/null)
endif

endif
