/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The few names that a C++ compiler's code refers to behind the programmer's back, for guests
 * compiled without exceptions, run-time types and guarded statics. A domain ends by a hypercall, so
 * destructors of global objects never run: registering one does nothing.
 */
#include "hvlib/arch/hypercall.h"
#include "hvlib/console.h"
#include "hvlib/trap.h"

void __cxa_pure_virtual(void);
int __cxa_atexit(void (*destructor)(void *), void *object, void *handle);

void *__dso_handle;

void __cxa_pure_virtual(void)
{
    hv_puts("a pure virtual function was called\n");
    for (;;)
        hv_shutdown(HV_REASON_FAULT);
}

int __cxa_atexit(void (*destructor)(void *), void *object, void *handle)
{
    (void)destructor;
    (void)object;
    (void)handle;
    return 0;
}
