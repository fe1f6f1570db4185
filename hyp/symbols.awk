# SPDX-License-Identifier: BSD-2-Clause
#
# Turns `nm -n hyp.elf` into the assembly of the table that symbolizes backtraces: hyp_symbols, an
# array of { address, name } sorted by address, and hyp_symbol_count. Text symbols only, so that
# linking the table in does not change the set of symbols it lists.

$2 ~ /^[tT]$/ && $3 !~ /^\./ && $1 ~ /^ffff/ {
    address[++n] = $1
    name[n] = $3
}

END {
    print ".section .symtab_hyp, \"a\", @progbits"
    print ".balign 8"
    print ".globl hyp_symbols, hyp_symbol_count"
    print "hyp_symbol_count:\n    .quad " n + 0
    print "hyp_symbols:"
    for (i = 1; i <= n; i++)
        print "    .quad 0x" address[i] ", 1000" i "f"
    for (i = 1; i <= n; i++)
        print "1000" i ":\n    .asciz \"" name[i] "\""
}
