/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main.c: core's entry, once the architecture has brought the machine up: the frames, the
 * scheduler, root; then guests for ever.
 */
#include "frame.h"
#include "machine.h"
#include "root.h"
#include "sched.h"
#include "uart.h"
#include "vcpu.h"

_Noreturn void hyp_main(const struct boot_info *boot) {
    frame_init(boot);
    sched_init();
    timer_init();
    uart_start_input();
    root_build(boot);
    smp_run();
    arch_run(this_cpu());
}
