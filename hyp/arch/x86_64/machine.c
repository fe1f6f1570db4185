/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * machine.c: the machine's end, and the name of this build.
 *
 * The first try is the emulator's exit device, whose status a test can read; then ACPI soft-off;
 * then a halt for ever.
 */
#include "machine.h"
#include "arch/insn.h"
#include "platform.h"
#include "printk.h"

#define EXIT_PORT    0xf4
#define EXIT_ORDERLY 0x10u
#define EXIT_PANIC   0x3fu
#define PM1_SLP_EN   0x2000u
#define NOTE_HEADER  16 /* three words and the padded name "GNU" */
#define BUILD_ID_MAX 20

/* hyp.lds: the linker's build-id note. */
extern const uint8_t build_id_note[];

void machine_shutdown(unsigned int reason) {
    outb(EXIT_PORT, (uint8_t)(EXIT_ORDERLY + (reason & 15)));
    for (unsigned int i = 0; i < 2; i++)
        if (platform.pm1_control_port[i] != 0)
            outw(platform.pm1_control_port[i],
                 (uint16_t)((uint32_t)platform.s5_type[i] << 10 | PM1_SLP_EN));
    cpu_stop();
}

void machine_halt(void) {
    outb(EXIT_PORT, EXIT_PANIC);
    cpu_stop();
}

const char *build_id(void) {
    static char text[2 * BUILD_ID_MAX + 1];
    uint32_t size = build_id_note[4] < BUILD_ID_MAX ? build_id_note[4] : BUILD_ID_MAX;

    for (uint32_t i = 0; i < size; i++)
        snprintf(text + 2 * i, 3, "%02x", build_id_note[NOTE_HEADER + i]);
    return text;
}
