/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Drivers make themselves known to the link: whoever is linked in is probed at the start, and no
 * list names the drivers. So the same main program runs wherever other devices are found.
 */
#ifndef PVGUEST_DRIVER_H
#define PVGUEST_DRIVER_H

/** Drivers are probed stage by stage, so that what the others print is seen. */
enum driver_stage { DRIVER_CONSOLE, DRIVER_DISK, DRIVER_OTHER, DRIVER_STAGES };

struct driver {
    enum driver_stage stage;
    /** Looks for the devices and registers them; finding none is no error. On the first thread. */
    void (*probe)(void);
};

/* The linker gathers the entries of a section named like a C identifier between two symbols. */
#define DRIVER(stage_, probe_)                                                                     \
    static const struct driver driver_##probe_                                                     \
        __attribute__((used, section("drivers"), aligned(16))) = { .stage = (stage_),              \
                                                                   .probe = (probe_) }

extern const struct driver __start_drivers[], __stop_drivers[];

#endif
