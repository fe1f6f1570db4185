/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The start page: a walk over its records, and what they say.
 *
 * Owns nothing but the page's address. The walk never leaves the page: a record that does not fit
 * ends it, so that a damaged page means missing records and not a wild read.
 */
#include "hvlib/start.h"
#include "hvlib/memory.h"
#include "hvlib/string.h"
#include "trap_internal.h"

static const struct hv_start_header *header;

bool hv_start_use(const void *start_page)
{
    const struct hv_start_header *h = start_page;

    if (h->magic != HV_START_MAGIC || h->version >> 16 != HV_ABI_MAJOR)
        return false;
    header = h;
    return true;
}

static uint64_t page_bytes(void)
{
    return header->bytes < HV_PAGE_SIZE ? header->bytes : HV_PAGE_SIZE;
}

/* The record at `offset`, or NULL at the end. */
static const struct hv_start_record *record_at(uint64_t offset)
{
    const struct hv_start_record *r = (const void *)((const char *)(const void *)header + offset);

    if (offset + sizeof *r > page_bytes() || r->tag == HV_START_END)
        return NULL;
    if (r->size < sizeof *r || r->size % 8 || offset + r->size > page_bytes())
        return NULL;
    return r;
}

const struct hv_start_record *hv_start_find(uint32_t tag, const struct hv_start_record *after)
{
    uint64_t offset = sizeof *header;
    const struct hv_start_record *r;

    if (after)
        offset = (uint64_t)((const char *)after - (const char *)(const void *)header) + after->size;
    for (; (r = record_at(offset)) != NULL; offset += r->size) {
        if (r->tag == tag)
            return r;
    }
    return NULL;
}

/* The first record of a tag when it is at least as large as its structure. */
static const void *find_sized(uint32_t tag, uint64_t bytes)
{
    const struct hv_start_record *r = hv_start_find(tag, NULL);

    return r && r->size >= bytes ? r : NULL;
}

static uint64_t find_u64(uint32_t tag)
{
    const struct hv_start_u64 *r = find_sized(tag, sizeof *r);

    return r ? r->value : 0;
}

uint64_t hv_start_domain_id(void)
{
    const struct hv_start_domain *r = find_sized(HV_START_DOMAIN, sizeof *r);

    return r ? r->id : 0;
}

uint64_t hv_start_parent(void)
{
    const struct hv_start_domain *r = find_sized(HV_START_DOMAIN, sizeof *r);

    return r ? r->parent : 0;
}

uint32_t hv_start_control_port(void)
{
    const struct hv_start_domain *r = find_sized(HV_START_DOMAIN, sizeof *r);

    return r ? r->control_port : ~(uint32_t)0;
}

uint64_t hv_start_features(void)
{
    return find_u64(HV_START_FEATURES);
}

uint64_t hv_start_clock(void)
{
    return find_u64(HV_START_CLOCK);
}

/* Text of a string record, or "" when no NUL ends it inside the record. */
static const char *text_of(const struct hv_start_record *r, const char *text)
{
    uint64_t room = r->size - (uint64_t)(text - (const char *)r);

    return strnlen(text, room) < room ? text : "";
}

const char *hv_start_cmdline(void)
{
    const struct hv_start_string *s = find_sized(HV_START_CMDLINE, sizeof *s);

    return s ? text_of(&s->r, s->text) : "";
}

static uint64_t word_length(const char *word)
{
    uint64_t n = 0;

    while (word[n] && word[n] != ' ')
        n++;
    return n;
}

bool hv_start_option(const char *key, char *value, uint64_t bytes)
{
    uint64_t k = strlen(key), n;

    for (const char *w = hv_start_cmdline(); *w; w += n + (w[n] == ' ')) {
        n = word_length(w);
        if (n < k || strncmp(w, key, k) != 0 || (n > k && w[k] != '='))
            continue;
        uint64_t have = n > k ? n - k - 1 : 0;

        if (have >= bytes)
            return false;
        memcpy(value, w + (n - have), have);
        value[have] = 0;
        return true;
    }
    return false;
}

static uint64_t digit(char c)
{
    if (c >= '0' && c <= '9')
        return (uint64_t)(c - '0');
    if (c >= 'a' && c <= 'f')
        return (uint64_t)(c - 'a') + 10;
    return ~(uint64_t)0;
}

uint64_t hv_start_number(const char *key, uint64_t otherwise)
{
    char text[24];
    uint64_t value = 0, base = 10;
    const char *t = text;

    if (!hv_start_option(key, text, sizeof text) || !text[0])
        return otherwise;
    if (t[0] == '0' && t[1] == 'x') {
        base = 16;
        t += 2;
    }
    for (; *t; t++) {
        if (digit(*t) >= base)
            return otherwise;
        value = value * base + digit(*t);
    }
    return value;
}

/* The index-th record of a tag that `kind` (0: any) fits. */
static const void *nth(uint32_t tag, uint64_t bytes, uint32_t kind, uint32_t index)
{
    const struct hv_start_record *r = NULL;

    while ((r = hv_start_find(tag, r)) != NULL) {
        if (r->size < bytes)
            continue;
        if (kind && ((const struct hv_start_memory *)(const void *)r)->kind != kind)
            continue;
        if (index-- == 0)
            return r;
    }
    return NULL;
}

const struct hv_start_memory *hv_start_range(uint32_t kind, uint32_t index)
{
    return nth(HV_START_MEMORY, sizeof(struct hv_start_memory), kind, index);
}

const struct hv_start_module *hv_module_get(uint32_t index)
{
    return nth(HV_START_MODULE, sizeof(struct hv_start_module), 0, index);
}

const void *hv_module_data(const struct hv_start_module *module)
{
    return hv_va(module->gfn << HV_PAGE_SHIFT);
}

const struct hv_device_list *hv_start_devices(void)
{
    const struct hv_start_page *r = find_sized(HV_START_DEVICES, sizeof *r);

    return r ? (const void *)(uintptr_t)r->address : NULL;
}

/* One try under the list's generation. Returns 1 found, 0 not there, -1 it changed meanwhile. */
static int try_device(const struct hv_device_list *list, uint32_t class, uint32_t index,
                      struct hv_device *device)
{
    uint64_t generation = __atomic_load_n(&list->generation, __ATOMIC_ACQUIRE);
    uint32_t count = __atomic_load_n(&list->count, __ATOMIC_RELAXED);
    int found = 0;

    for (uint32_t i = 0; i < count && i < sizeof list->device / sizeof *device && !found; i++) {
        *device = list->device[i];
        found = device->class_ == class && device->index == index;
    }
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (generation & 1 || __atomic_load_n(&list->generation, __ATOMIC_RELAXED) != generation)
        return -1;
    return found;
}

bool hv_start_device(uint32_t class, uint32_t index, struct hv_device *device)
{
    const struct hv_device_list *list = hv_start_devices();
    int found;

    if (!list)
        return false;
    while ((found = try_device(list, class, index, device)) < 0)
        hv_yield();
    return found;
}

/* The next taken range that ends behind `gfn`: image or module. False when there is none. */
static bool next_taken(uint64_t gfn, uint64_t *first, uint64_t *end)
{
    const struct hv_start_memory *m;
    const struct hv_start_module *mod;
    bool found = false;

    for (uint32_t i = 0; (m = hv_start_range(HV_RANGE_IMAGE, i)) != NULL; i++) {
        if (m->gfn + m->count > gfn && (!found || m->gfn < *first)) {
            *first = m->gfn;
            *end = m->gfn + m->count;
            found = true;
        }
    }
    for (uint32_t i = 0; (mod = hv_module_get(i)) != NULL; i++) {
        uint64_t last = mod->gfn + ((mod->bytes + HV_PAGE_SIZE - 1) >> HV_PAGE_SHIFT);

        if (last > gfn && (!found || mod->gfn < *first)) {
            *first = mod->gfn;
            *end = last;
            found = true;
        }
    }
    return found;
}

uint64_t hv_start_free_range(uint64_t from, uint64_t *count)
{
    const struct hv_start_memory *ram;

    for (uint32_t i = 0; (ram = hv_start_range(HV_RANGE_RAM, i)) != NULL; i++) {
        uint64_t gfn = ram->gfn > from ? ram->gfn : from, end = ram->gfn + ram->count;

        while (gfn < end) {
            uint64_t taken = end, behind = end;

            if (!next_taken(gfn, &taken, &behind) || taken > end)
                taken = behind = end;
            if (taken > gfn) {
                *count = taken - gfn;
                return gfn;
            }
            gfn = behind;
        }
    }
    *count = 0;
    return 0;
}

uint64_t hv_start_free_ram(uint64_t *count)
{
    uint64_t best = 0, best_count = 0, n;

    for (uint64_t gfn = hv_start_free_range(0, &n); n; gfn = hv_start_free_range(gfn + n, &n)) {
        if (n > best_count) {
            best = gfn;
            best_count = n;
        }
    }
    *count = best_count;
    return best;
}
