/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host side of the IDE model for unit tests; see host_ide.h.
 */
#include "host_ide.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static void irq(void *ctx, bool level)
{
    struct machine *m = ctx;

    must(level != m->line);
    m->line = level;
    if (level) {
        m->edge = true;
        m->edges++;
    }
}

static bool is_stored(const struct machine *m, uint64_t lba)
{
    return lba >= m->store_first && lba - m->store_first < STORE_SECTORS;
}

void machine_sector(const struct machine *m, uint64_t lba, uint8_t *out)
{
    if (is_stored(m, lba)) {
        memcpy(out, m->store + (lba - m->store_first) * IDE_SECTOR, IDE_SECTOR);
        return;
    }
    for (unsigned i = 0; i < IDE_SECTOR; i++)
        out[i] = (uint8_t)((lba * 131 + i * 7) >> (i % 3));
}

static void write_store(struct machine *m, uint64_t lba, const uint8_t *data)
{
    if (is_stored(m, lba))
        memcpy(m->store + (lba - m->store_first) * IDE_SECTOR, data, IDE_SECTOR);
}

static void perform(struct machine *m)
{
    for (uint32_t i = 0; i < m->sectors; i++) {
        uint8_t *data = m->buffer + (size_t)i * IDE_SECTOR;
        if (m->op == IDE_OP_READ)
            machine_sector(m, m->lba + i, data);
        else if (m->op == IDE_OP_WRITE)
            write_store(m, m->lba + i, data);
    }
    m->flushes += m->op == IDE_OP_FLUSH;
}

void machine_complete(struct machine *m)
{
    if (!m->pending)
        return;
    must(memcmp(m->snapshot, m->buffer, IDE_BUFFER_BYTES) == 0);
    m->pending = false;
    m->accesses++;
    if (m->fail_all || (m->fail_in > 0 && --m->fail_in == 0)) {
        ide_model_complete(&m->model, -1);
        return;
    }
    perform(m);
    ide_model_complete(&m->model, 0);
}

void machine_access(struct machine *m)
{
    m->copies = 0;
    ide_model_access(&m->model);
}

static void go_on(struct machine *m)
{
    if (m->again) {
        m->again = false;
        m->copies = 0;
        ide_model_continue(&m->model);
    }
}

void machine_settle(struct machine *m)
{
    while (m->pending || m->again) {
        m->copies = 0;
        machine_complete(m);
        go_on(m);
    }
}

static void again(void *ctx)
{
    struct machine *m = ctx;

    m->again = true;
}

static void *memory(void *ctx, uint64_t lba, uint32_t sectors)
{
    struct machine *m = ctx;

    must(sectors > 0 && sectors <= IDE_CHUNK);
    must(lba < m->model.sectors && sectors <= m->model.sectors - lba);
    if (!m->in_memory || !is_stored(m, lba) || !is_stored(m, lba + sectors - 1))
        return NULL;
    return m->store + (lba - m->store_first) * IDE_SECTOR;
}

/* Page by page, up to the first that is not there. */
static size_t copy(void *ctx, uint64_t at, void *buffer, size_t bytes, bool to_guest)
{
    struct machine *m = ctx;
    uint8_t *mine = buffer;
    size_t done = 0;

    must(bytes > 0 && bytes <= 65536 && !m->pending);
    must(++m->copies <= COPIES_MAX);
    m->copies_most = m->copies > m->copies_most ? m->copies : m->copies_most;
    while (done < bytes && at / 4096 < FRAMES && m->frame[at / 4096]) {
        uint8_t *theirs = m->frame[at / 4096] + at % 4096;
        size_t n = 4096 - at % 4096 < bytes - done ? 4096 - at % 4096 : bytes - done;
        memcpy(to_guest ? theirs : mine + done, to_guest ? mine + done : theirs, n);
        done += n;
        at += n;
    }
    m->copied += done;
    return done;
}

static void submit(void *ctx, enum ide_op op, uint64_t lba, uint32_t sectors, void *buffer)
{
    struct machine *m = ctx;

    must(!m->pending);
    if (op == IDE_OP_FLUSH) {
        must(sectors == 0 && !buffer);
    } else {
        must(buffer == m->buffer && sectors > 0 && sectors <= IDE_CHUNK);
        must(lba < m->model.sectors && sectors <= m->model.sectors - lba);
        must(op == IDE_OP_READ || !m->model.read_only);
    }
    memcpy(m->snapshot, m->buffer, IDE_BUFFER_BYTES);
    m->pending = true;
    m->op = op;
    m->lba = lba;
    m->sectors = sectors;
    if (!m->later)
        machine_complete(m);
}

void machine_start(struct machine *m, uint64_t sectors, bool read_only)
{
    struct ide_host host = { m, irq, submit, memory, copy, again };

    memset(m, 0, sizeof(*m));
    m->buffer = aligned_alloc(4096, IDE_BUFFER_BYTES);
    m->store = malloc((size_t)STORE_SECTORS * IDE_SECTOR);
    m->store_first = sectors > STORE_SECTORS ? sectors - STORE_SECTORS : 0;
    memset(m->buffer, 0xee, IDE_BUFFER_BYTES);
    for (size_t i = 0; i < (size_t)STORE_SECTORS * IDE_SECTOR; i++)
        m->store[i] = (uint8_t)rand();
    ide_model_init(&m->model, &host, sectors, read_only, m->buffer);
}

void machine_stop(struct machine *m)
{
    free(m->buffer);
    free(m->store);
}
