/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory as x86-64 shows it (total store order): each processor's stores wait in a buffer, in order,
 * and reach memory at any later moment; a load looks at memory at once. A fence, and any locked
 * instruction, waits until the own buffer is empty. No processor here reads back what it has stored,
 * so that its buffer need not be searched.
 */
byte mem[CELLS];

#define store(buffer, cell, value) buffer!cell, value
#define fence(buffer)              empty(buffer)
#define load(cell)                 mem[cell]

proctype store_buffer(chan buffer)
{
    byte cell, value;
end:
    do
    :: atomic { buffer?cell, value -> mem[cell] = value }
    od
}
