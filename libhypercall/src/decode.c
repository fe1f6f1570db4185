/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hypercalls and trace entries as text. Pure: what it knows are the lists hypercalls.def, trace.def
 * and errors.def, and how a value of each type that they use is printed. What it is given may be
 * anything: no number of it is used as an index before it was compared.
 */
#include "hvlib/decode.h"
#include "hvlib/console.h"
#include <hv_domain.h>
#include <hv_event.h>
#include <hv_memory.h>
#include <hv_vcpu.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* One for each type of the lists; a type that is not here does not compile. */
enum format {
    FORMAT_uint64_t,
    FORMAT_hv_dom_t,
    FORMAT_hv_gpa_t,
    FORMAT_hv_gfn_t,
    FORMAT_hv_addr_t,
    FORMAT_hv_ns_t,
    FORMAT_hv_rights_t,
    FORMAT_hv_result_t,
    FORMAT_hv_trap_t,
    FORMAT_hv_port_state_t,
    FORMAT_hv_domain_state_t,
    FORMAT_hv_run_state_t,
    FORMAT_hv_none_t,
};

struct word {
    const char *name;
    enum format format;
};

struct shape {
    const char *name;
    size_t words;
    struct word word[6];
};

#define W(type, name)                                                                              \
    {                                                                                              \
#name, FORMAT_##type                                                                       \
    }

/* clang-format off */
static const struct shape calls[] = {
#define HV_CALL0(nr, n)                [nr] = { #n, 0, { { NULL, FORMAT_hv_none_t } } },
#define HV_CALL1(nr, n, t1, a1)        [nr] = { #n, 1, { W(t1, a1) } },
#define HV_CALL2(nr, n, t1, a1, t2, a2) [nr] = { #n, 2, { W(t1, a1), W(t2, a2) } },
#define HV_CALL3(nr, n, t1, a1, t2, a2, t3, a3) \
    [nr] = { #n, 3, { W(t1, a1), W(t2, a2), W(t3, a3) } },
#define HV_CALL4(nr, n, t1, a1, t2, a2, t3, a3, t4, a4) \
    [nr] = { #n, 4, { W(t1, a1), W(t2, a2), W(t3, a3), W(t4, a4) } },
#define HV_CALL5(nr, n, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5) \
    [nr] = { #n, 5, { W(t1, a1), W(t2, a2), W(t3, a3), W(t4, a4), W(t5, a5) } },
#define HV_CALL6(nr, n, t1, a1, t2, a2, t3, a3, t4, a4, t5, a5, t6, a6) \
    [nr] = { #n, 6, { W(t1, a1), W(t2, a2), W(t3, a3), W(t4, a4), W(t5, a5), W(t6, a6) } },
#include <hypercalls.def>
};

static const struct shape events[] = {
#define HV_TRACE(nr, n, t1, w1, t2, w2, t3, w3) [nr] = { #n, 3, { W(t1, w1), W(t2, w2), W(t3, w3) } },
#include <trace.def>
#undef HV_TRACE
};
/* clang-format on */

static const char *const errors[] = {
#define HV_ERROR(nr, name, text) [nr] = "HV_E" #name,
#include <errors.def>
#undef HV_ERROR
};

static const char *const traps[] = {
    "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", NULL,  "#TS",
    "#NP", "#SS", "#GP", "#PF", NULL,  "#MF", "#AC", "#MC", "#XM", "#VE", "#CP",
};

static const char *const domain_states[] = {
    [HV_DOMAIN_BUILDING] = "building", [HV_DOMAIN_RUNNING] = "running",
    [HV_DOMAIN_PAUSED] = "paused",     [HV_DOMAIN_SHUTDOWN] = "shutdown",
    [HV_DOMAIN_KILLED] = "killed",     [HV_DOMAIN_DYING] = "dying",
};

static const char *const port_states[] = {
    [HV_PORT_FREE] = "free",     [HV_PORT_UNBOUND] = "unbound", [HV_PORT_PEER] = "peer",
    [HV_PORT_VIRQ] = "virq",     [HV_PORT_IRQ] = "irq",         [HV_PORT_MSI] = "msi",
    [HV_PORT_CLOSED] = "closed",
};

static const char *const run_states[] = {
    [HV_RUN_RUNNING] = "running",
    [HV_RUN_RUNNABLE] = "runnable",
    [HV_RUN_BLOCKED] = "blocked",
    [HV_RUN_OFFLINE] = "offline",
};

/* Bit by bit. */
static const char *const waits[] = { "block", "io", "pause", "down", "traced", "poll", "cap" };

/* ---- output ---- */

struct text {
    char *at;
    size_t room; /* with the NUL */
    size_t length;
};

static void add(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(struct text *t, const char *format, ...)
{
    size_t used = t->length < t->room ? t->length : t->room;
    va_list args;

    va_start(args, format);
    t->length += (size_t)hv_vsnprintf(t->at + used, t->room - used, format, args);
    va_end(args);
}

static void add_name(struct text *t, const char *const *names, size_t count, uint64_t n)
{
    if (n < count && names[n])
        add(t, "%s", names[n]);
    else
        add(t, "%lu", n);
}

static void add_result(struct text *t, int64_t result)
{
    const char *error = result < 0 ? hv_error_name(result) : NULL;

    if (error)
        add(t, "-%s", error);
    else
        add(t, "%ld", result);
}

static void add_domain(struct text *t, uint64_t dom, hv_domain_name_fn *name)
{
    const char *known = name && dom != HV_SELF ? name(dom) : NULL;

    if (dom == HV_SELF)
        add(t, "self");
    else if (known)
        add(t, "%s", known);
    else
        add(t, "%lu", dom);
}

/* The state, and what is waited for: "blocked:poll", "offline:pause,down". */
static void add_run_state(struct text *t, uint64_t v)
{
    char between = ':';

    add_name(t, run_states, COUNT(run_states), v & 255);
    for (uint32_t i = 0; i < 56; i++) {
        if ((v >> 8 >> i & 1) == 0)
            continue;
        add(t, "%c", between);
        add_name(t, waits, COUNT(waits), i);
        between = ',';
    }
}

static void add_value(struct text *t, enum format format, uint64_t v, hv_domain_name_fn *name)
{
    switch (format) {
    case FORMAT_hv_dom_t:
        add_domain(t, v, name);
        return;
    case FORMAT_hv_rights_t:
        add(t, "%c%c%c", v & HV_MAP_READ ? 'r' : '-', v & HV_MAP_WRITE ? 'w' : '-',
            v & HV_MAP_EXEC ? 'x' : '-');
        if (v & ~(uint64_t)(HV_MAP_READ | HV_MAP_WRITE | HV_MAP_EXEC))
            add(t, "|0x%lx", v & ~(uint64_t)(HV_MAP_READ | HV_MAP_WRITE | HV_MAP_EXEC));
        return;
    case FORMAT_hv_result_t:
        add_result(t, (int64_t)v);
        return;
    case FORMAT_hv_trap_t:
        add_name(t, traps, COUNT(traps), v);
        return;
    case FORMAT_hv_port_state_t:
        add_name(t, port_states, COUNT(port_states), v);
        return;
    case FORMAT_hv_domain_state_t:
        add_name(t, domain_states, COUNT(domain_states), v);
        return;
    case FORMAT_hv_run_state_t:
        add_run_state(t, v);
        return;
    case FORMAT_hv_ns_t:
        add(t, "%lu.%09lu", v / 1000000000, v % 1000000000);
        return;
    case FORMAT_uint64_t:
        add(t, v >> 32 ? "0x%lx" : "%lu", v);
        return;
    case FORMAT_hv_gpa_t:
    case FORMAT_hv_gfn_t:
    case FORMAT_hv_addr_t:
    case FORMAT_hv_none_t:
        break;
    }
    add(t, "0x%lx", v);
}

static void add_shape(struct text *t, const struct shape *s, const uint64_t *value,
                      hv_domain_name_fn *name)
{
    const char *between = "";

    add(t, "%s(", s->name);
    for (size_t i = 0; i < s->words; i++) {
        if (s->word[i].format == FORMAT_hv_none_t)
            continue;
        add(t, "%s%s=", between, s->word[i].name);
        add_value(t, s->word[i].format, value[i], name);
        between = ", ";
    }
    add(t, ")");
}

/* ---- the interface ---- */

const char *hv_call_name(uint64_t nr)
{
    return nr < COUNT(calls) ? calls[nr].name : NULL;
}

const char *hv_trace_name(uint64_t event)
{
    return event < COUNT(events) ? events[event].name : NULL;
}

const char *hv_error_name(int64_t error)
{
    uint64_t n = error < 0 ? 0 - (uint64_t)error : (uint64_t)error;

    return n < COUNT(errors) ? errors[n] : NULL;
}

int hv_decode_call(char *buffer, size_t bytes, const struct hv_call_entry *call,
                   hv_domain_name_fn *name)
{
    struct text t = { buffer, bytes, 0 };
    bool leaves = call->nr == HV_NR_return_to_user || call->nr == HV_NR_shutdown;

    if (hv_call_name(call->nr))
        add_shape(&t, &calls[call->nr], call->arg, name);
    else
        add(&t, "number 0x%lx", call->nr);
    add(&t, " = ");
    if (leaves && call->result == 0)
        add(&t, "?");
    else
        add_result(&t, call->result);
    return (int)t.length;
}

int hv_decode_trace(char *buffer, size_t bytes, const struct hv_trace_entry *entry,
                    hv_domain_name_fn *name)
{
    struct text t = { buffer, bytes, 0 };

    if (hv_trace_name(entry->event))
        add_shape(&t, &events[entry->event], entry->word, name);
    else
        add(&t, "event %u(0x%lx, 0x%lx, 0x%lx)", entry->event, entry->word[0], entry->word[1],
            entry->word[2]);
    return (int)t.length;
}

bool hv_trace_concerns(const struct hv_trace_entry *entry, uint64_t dom)
{
    bool is = entry->domain == (uint32_t)dom;

    for (size_t i = 0; i < 3 && hv_trace_name(entry->event); i++)
        is |= events[entry->event].word[i].format == FORMAT_hv_dom_t && entry->word[i] == dom;
    return is;
}
