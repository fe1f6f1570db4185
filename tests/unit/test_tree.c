/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The sorted set of the scheduler and the timers under random changes, and its depth.
 */
#include <check.h>
#include <stdlib.h>

#include "tree.h"

#define COUNT 2000

/* Check's own assertions talk to the parent each time: too slow for loops. */
#define must(x)                                                                                    \
    do {                                                                                           \
        if (!(x))                                                                                  \
            ck_abort_msg("line %d: %s", __LINE__, #x);                                             \
    } while (0)

static struct tree tree;
static struct tree_node node[COUNT];

static uint64_t pick(uint64_t below)
{
    static uint64_t state = 88172645463325252u;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (state >> 11) % below;
}

static uint32_t depth(const struct tree_node *n)
{
    uint32_t a, b;

    if (n->order == 0)
        return 0;
    must(n->left->order == 0 || (n->left->up == n && n->left->order <= n->order));
    must(n->right->order == 0 || (n->right->up == n && n->right->order <= n->order));
    a = depth(n->left);
    b = depth(n->right);
    return 1 + (a > b ? a : b);
}

/* Sorted, and as many as there are. */
static void check(uint32_t members)
{
    const struct tree_node *last = NULL;
    uint32_t n = 0;

    for (struct tree_node *at = tree.first; at != NULL; at = tree_next(&tree, at), n++) {
        must(tree_has(at));
        if (last != NULL) {
            must(last->key <= at->key);
        }
        last = at;
    }
    must(n == members);
    must(tree.count == members);
    (void)depth(tree.root);
}

static void insert(struct tree_node *n, uint64_t key)
{
    n->key = key;
    tree_insert(&tree, n);
}

START_TEST(test_random_changes)
{
    uint32_t members = 0;

    for (uint32_t step = 0; step < 30000; step++) {
        struct tree_node *n = &node[pick(step % 3 ? 20 : 200)];

        if (tree_has(n)) {
            tree_remove(&tree, n);
            members--;
        } else {
            insert(n, pick(step % 5 ? 1000 : 5));
            members++;
        }
        if (members > 0 && pick(4) == 0) {
            struct tree_node *other = &node[pick(200)], *first = tree.first;

            if (!tree_has(other)) {
                other->key = first->key + pick(50);
                must(tree_exchange(&tree, tree.count > 1, other) == first);
                must(!tree_has(first) && tree_has(other));
            }
        }
        check(members);
    }
}
END_TEST

/* Sorted keys, forwards and backwards, and always behind the others, make no list of it. */
START_TEST(test_the_keys_do_not_shape_it)
{
    for (int way = 0; way < 3; way++) {
        while (tree.first != NULL)
            tree_remove(&tree, tree.first);
        for (uint32_t i = 0; i < COUNT; i++)
            insert(&node[i], way == 0 ? i : COUNT - i);
        for (uint32_t i = 0; way == 2 && i < 5 * COUNT; i++) {
            struct tree_node *n = tree.first;

            tree_remove(&tree, n);
            insert(n, n->key + COUNT);
        }
        check(COUNT);
        ck_assert_uint_le(depth(tree.root), 50); /* 11 at best, 26 as a rule */
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tree");
    TCase *tc = tcase_create("tree");
    SRunner *runner;
    int failed;

    tree_init(&tree, 1);
    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, test_random_changes);
    tcase_add_test(tc, test_the_keys_do_not_shape_it);
    suite_add_tcase(suite, tc);
    runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
