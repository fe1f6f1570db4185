/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Start, interrupts and the end, under the hypervisor. Owns the table of interrupt handlers: a line
 * is an event port. The library has set up entry points, the event dispatcher and the mapping of
 * all RAM before guest_main() runs; interrupts off is the vCPU's `masked` flag.
 */
#include "arch/cpu.h"
#include "clock.h"
#include "cpu.h"
#include "kernel.h"
#include "kstring.h"
#include "mem.h"
#include "printk.h"
#include "pv.h"

#include <hvlib/arch/hypercall.h>
#include <hvlib/console.h>
#include <hvlib/event.h>
#include <hvlib/memory.h>
#include <hvlib/start.h>
#include <hvlib/trap.h>

struct handler {
    void (*fn)(void *arg);
    void *arg;
};

static struct handler *handlers[HV_MAX_PORTS];

uint32_t guest_main(void)
{
    kernel_main();
}

/* GS holds the shared page while the kernel runs, so that entry code reaches the save area. */
void arch_init(void)
{
    uint64_t count;
    uint64_t first = hv_start_free_range(0, &count);

    for (; count; first = hv_start_free_range(first + count, &count))
        page_add_range(first, count);
}

/* With no other CPU there is nobody to keep out, and the handler is called last. */
void pv_serve(void (*fn)(void *arg), void *arg)
{
    bool taken;

    if (!cpus_share) {
        fn(arg);
        return;
    }
    taken = kernel_interrupt();
    fn(arg);
    kernel_interrupt_end(taken);
}

static void on_timer(void *arg)
{
    (void)arg;
    timer_interrupt();
}

static void timer_event(uint32_t port, void *arg)
{
    (void)port;
    pv_serve(on_timer, arg);
}

bool pv_timer_listen(unsigned n)
{
    return hv_event_listen(HV_BIND_VIRQ, HV_VIRQ_TIMER, n, timer_event, NULL) >= 0;
}

void arch_start(void)
{
    if (hv_set_entries((uint64_t)hv_vcpu, 0) < 0 || !pv_timer_listen(0)) {
        panic("entry points or timer refused");
    }
    hv_unmask();
}

bool arch_option(const char *key, char *value, size_t size)
{
    return hv_start_option(key, value, size);
}

bool arch_module(unsigned n, const char **text, const void **data, uint64_t *bytes)
{
    const struct hv_start_module *m = hv_module_get(n);

    if (!m) {
        return false;
    }
    *text = m->text;
    *data = hv_module_data(m);
    *bytes = m->bytes;
    return true;
}

uint64_t arch_irq_save(void)
{
    return hv_mask();
}

void arch_irq_restore(uint64_t flags)
{
    hv_restore(flags != 0);
}

void arch_idle(void)
{
    hv_wait();
}

static void dispatch(uint32_t port, void *arg)
{
    const struct handler *h = arg;

    (void)port;
    pv_serve(h->fn, h->arg);
}

int arch_irq_attach(uint64_t line, void (*fn)(void *arg), void *arg)
{
    struct handler *h;

    if (line >= HV_MAX_PORTS) {
        return -HV_EINVAL;
    }
    if (!handlers[line] && !(handlers[line] = kmalloc(sizeof(*h)))) {
        return -HV_ENOMEM;
    }
    h = handlers[line];
    h->fn = fn;
    h->arg = arg;
    return (int)hv_event_handler(line, dispatch, h);
}

void arch_irq_detach(uint64_t line)
{
    if (line < HV_MAX_PORTS && handlers[line]) {
        (void)hv_event_handler(line, NULL, NULL);
        kfree(handlers[line]);
        handlers[line] = NULL;
    }
}

int64_t arch_irq_isa_line(unsigned isa)
{
    struct hv_device d;

    return hv_start_device(HV_DEVICE_IRQ, isa, &d) ? (int64_t)d.port : -HV_EINVAL;
}

void arch_early_write(const char *text, size_t bytes)
{
    hv_write(text, bytes);
}

void arch_shutdown(unsigned reason)
{
    for (;;) {
        (void)hv_shutdown(reason);
    }
}

int format_textv(char *out, size_t size, const char *format, va_list args)
{
    return hv_vsnprintf(out, size, format, args);
}
