/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The line editor. Owns a line, the history and what it knows of the terminal's row.
 *
 * Editing changes the line alone; drawing compares what the row shows with what it is to show and
 * sends the difference. So a paste costs one drawing, and whoever prints in between only has to
 * erase the row first. A line that is longer than the row is shown in part, with < and > where it
 * goes on: the row never wraps, and erasing it erases all of it.
 *
 * What comes in is not trusted to be a terminal's: a sequence that is none, or is cut off, ends at
 * the next control character, which then means what it always means.
 */
#include "root/lineedit.h"

#include "kstring.h"

#define CTRL(letter) ((letter)&0x1f)
#define ESCAPE       '\033'
#define DELETE       0x7f

static void send(struct lineedit *e, const char *text)
{
    e->out(text, strlen(text));
}

/* ---- the line ---- */

/* Take [from, to) out; the cursor is at `from` then. */
static void cut(struct lineedit *e, unsigned from, unsigned to)
{
    memmove(e->text + from, e->text + to, e->used - to + 1);
    e->used -= to - from;
    e->at = from;
}

static void insert(struct lineedit *e, char c)
{
    if (e->used + 1 == LINEEDIT_LINE)
        return;
    memmove(e->text + e->at + 1, e->text + e->at, e->used - e->at + 1);
    e->text[e->at++] = c;
    e->used++;
}

static void replace(struct lineedit *e, const char *line)
{
    e->used = e->at = (unsigned)strlen(line);
    memcpy(e->text, line, e->used + 1);
}

/* Where the word in front of the cursor begins, blanks between the two skipped. */
static unsigned word_back(const struct lineedit *e)
{
    unsigned at = e->at;
    while (at && e->text[at - 1] == ' ')
        at--;
    while (at && e->text[at - 1] != ' ')
        at--;
    return at;
}

static unsigned word_forward(const struct lineedit *e)
{
    unsigned at = e->at;
    while (at < e->used && e->text[at] == ' ')
        at++;
    while (at < e->used && e->text[at] != ' ')
        at++;
    return at;
}

/* ---- history ---- */

static char *past(struct lineedit *e, unsigned depth)
{
    return e->history[(e->lines - depth) % LINEEDIT_HISTORY];
}

static void go_to(struct lineedit *e, unsigned depth)
{
    if (depth > e->lines || depth > LINEEDIT_HISTORY)
        return;
    if (!e->depth)
        memcpy(e->draft, e->text, e->used + 1);
    e->depth = depth;
    replace(e, depth ? past(e, depth) : e->draft);
}

static void remember(struct lineedit *e)
{
    e->depth = 0;
    if (!e->used || (e->lines && strcmp(past(e, 1), e->text) == 0))
        return;
    e->lines++;
    memcpy(past(e, 1), e->text, e->used + 1);
}

/* ---- completion ---- */

/* The next candidate that begins with what stands between `word` and the cursor. */
static const char *next_match(const struct lineedit *e, unsigned word, unsigned *n)
{
    const char *c;
    while ((c = e->candidate(e->text, word, *n)) != NULL) {
        ++*n;
        if (strncmp(c, e->text + word, e->at - word) == 0)
            return c;
    }
    return NULL;
}

/* Print all that fit, in columns of a sort, above the row. */
static void list_matches(struct lineedit *e, unsigned word)
{
    unsigned column = 0;
    unsigned n = 0;
    const char *c;
    if (!e->shown)
        return;
    lineedit_erase(e);
    while ((c = next_match(e, word, &n)) != NULL) {
        unsigned length = (unsigned)strlen(c);
        if (column && column + 2 + length > LINEEDIT_WIDTH) {
            send(e, "\n");
            column = 0;
        }
        send(e, column ? "  " : "");
        send(e, c);
        column += length + (column ? 2 : 0);
    }
    send(e, "\n");
}

/* Add what all matches have in common; when that is nothing, list them. */
static void complete(struct lineedit *e)
{
    unsigned word = e->at;
    unsigned n = 0;
    while (word && e->text[word - 1] != ' ')
        word--;
    const char *first = e->candidate ? next_match(e, word, &n) : NULL;
    if (!first)
        return;
    size_t common = strlen(first);
    bool several = false;
    const char *other;
    while ((other = next_match(e, word, &n)) != NULL) {
        size_t same = 0;
        while (same < common && other[same] == first[same])
            same++;
        common = same;
        several = true;
    }
    unsigned typed = e->at - word;
    for (size_t i = typed; i < common; i++)
        insert(e, first[i]);
    if (!several && e->text[e->at] != ' ')
        insert(e, ' ');
    else if (several && typed == common)
        list_matches(e, word);
}

/* ---- keys ---- */

static void clear_screen(struct lineedit *e)
{
    if (!e->shown)
        return;
    lineedit_erase(e);
    send(e, "\033[H\033[J");
}

static void control_key(struct lineedit *e, char c)
{
    switch (c) {
    case CTRL('A'):
        e->at = 0;
        break;
    case CTRL('B'):
        e->at -= e->at > 0;
        break;
    case CTRL('C'):
        cut(e, 0, e->used);
        e->depth = 0;
        break;
    case CTRL('D'):
        cut(e, e->at, e->at + (e->at < e->used));
        break;
    case CTRL('E'):
        e->at = e->used;
        break;
    case CTRL('F'):
        e->at += e->at < e->used;
        break;
    case CTRL('H'):
    case DELETE:
        cut(e, e->at - (e->at > 0), e->at);
        break;
    case CTRL('I'):
        complete(e);
        break;
    case CTRL('K'):
        cut(e, e->at, e->used);
        break;
    case CTRL('L'):
        clear_screen(e);
        break;
    case CTRL('N'):
        if (e->depth)
            go_to(e, e->depth - 1);
        break;
    case CTRL('P'):
        go_to(e, e->depth + 1);
        break;
    case CTRL('U'):
        cut(e, 0, e->at);
        break;
    case CTRL('W'):
        cut(e, word_back(e), e->at);
        break;
    default:
        break;
    }
}

/* ESC [ n ~ */
static char numbered_key(unsigned number)
{
    static const char keys[] = {
        [1] = CTRL('A'), [3] = CTRL('D'), [4] = CTRL('E'), [7] = CTRL('A'), [8] = CTRL('E')
    };
    return number < sizeof(keys) ? keys[number] : 0;
}

/* The letter that ends a sequence, as the control key that does the same; 0: none does. */
static char final_key(char c)
{
    static const char letters[] = "ABCDFH";
    static const char keys[] = { CTRL('P'), CTRL('N'), CTRL('F'), CTRL('B'), CTRL('E'), CTRL('A') };
    for (unsigned i = 0; i < sizeof(keys); i++)
        if (letters[i] == c)
            return keys[i];
    return 0;
}

static void escape_key(struct lineedit *e, char c)
{
    e->key = c == '[' ? LINEEDIT_CSI : c == 'O' ? LINEEDIT_SS3 : LINEEDIT_PLAIN;
    e->number = 0;
    e->more_digits = true;
    if (c == 'b')
        e->at = word_back(e);
    else if (c == 'f')
        e->at = word_forward(e);
    else if (c == 'd')
        cut(e, e->at, word_forward(e));
    else if (c == DELETE)
        cut(e, word_back(e), e->at);
}

/* ESC [ parameters letter, and ESC O letter. A modified arrow (ESC [ 1 ; 5 D) is an arrow. */
static void sequence_key(struct lineedit *e, char c)
{
    bool digit = c >= '0' && c <= '9';
    if (digit && e->more_digits && e->number < 100)
        e->number = e->number * 10 + (unsigned)(c - '0');
    e->more_digits = e->more_digits && digit;
    if (c < '@')
        return;
    e->key = LINEEDIT_PLAIN;
    control_key(e, c == '~' ? numbered_key(e->number) : final_key(c));
}

static void plain_key(struct lineedit *e, char c)
{
    if (c >= ' ' && c < DELETE)
        insert(e, c);
    else
        control_key(e, c);
}

void lineedit_start(struct lineedit *e, const char *prompt)
{
    e->prompt = prompt;
    e->text[0] = '\0';
    e->used = e->at = e->left = e->depth = 0;
    e->key = LINEEDIT_PLAIN;
}

bool lineedit_key(struct lineedit *e, char c)
{
    bool second = c == '\n' && e->after_return;
    e->after_return = c == '\r';
    if (second) /* the two of them are one end of line */
        return false;
    if (c == ESCAPE) {
        e->key = LINEEDIT_ESCAPE;
        return false;
    }
    if ((c >= 0 && c < ' ') || (c == DELETE && e->key != LINEEDIT_ESCAPE))
        e->key = LINEEDIT_PLAIN;
    if (c == '\r' || c == '\n') {
        remember(e);
        return true;
    }
    if (c < 0) /* not ASCII: no key of ours, in a sequence or outside */
        e->key = LINEEDIT_PLAIN;
    else if (e->key == LINEEDIT_ESCAPE)
        escape_key(e, c);
    else if (e->key != LINEEDIT_PLAIN)
        sequence_key(e, c);
    else
        plain_key(e, c);
    return false;
}

/* ---- the row ---- */

/* Choose what the row shows: all of the line, or the part around the cursor. It moves by half a row
 * at a time, so that typing on costs a redraw now and then, not with each key. */
static void scroll(struct lineedit *e, unsigned room)
{
    bool cut_off = e->used > e->left + room;
    if (e->used <= room)
        e->left = 0;
    else if ((e->left && e->at <= e->left) || e->at > e->left + room ||
             (cut_off && e->at + 1 >= e->left + room))
        e->left = e->at > room / 2 ? e->at - room / 2 : 0;
}

/* What the row is to show; returns its length. */
static unsigned render(struct lineedit *e, char *row)
{
    unsigned start = (unsigned)strlen(e->prompt);
    unsigned room = LINEEDIT_WIDTH - start;
    scroll(e, room);
    unsigned part = e->used - e->left < room ? e->used - e->left : room;
    memcpy(row, e->prompt, start);
    memcpy(row + start, e->text + e->left, part);
    if (e->left)
        row[start] = '<';
    if (e->left + part < e->used)
        row[start + part - 1] = '>';
    return start + part;
}

static void move(struct lineedit *e, unsigned column)
{
    static const char back[] = "\b\b\b\b";
    char sequence[] = "\033[00C";
    unsigned by = column > e->column ? column - e->column : e->column - column;
    if (column < e->column && by < sizeof(back)) {
        e->out(back, by);
    } else if (by) {
        sequence[2] = (char)('0' + by / 10);
        sequence[3] = (char)('0' + by % 10);
        sequence[4] = column > e->column ? 'C' : 'D';
        send(e, sequence);
    }
    e->column = column;
}

void lineedit_draw(struct lineedit *e)
{
    char row[LINEEDIT_WIDTH];
    unsigned used = render(e, row);
    unsigned same = 0;
    if (!e->shown)
        e->row_used = e->column = 0;
    while (same < used && same < e->row_used && row[same] == e->row[same])
        same++;
    if (same < used || same < e->row_used)
        move(e, same);
    e->out(row + same, used - same);
    e->column += same < used ? used - same : 0;
    if (e->row_used > used)
        send(e, "\033[K");
    memcpy(e->row, row, used);
    e->row_used = used;
    e->shown = true;
    move(e, (unsigned)strlen(e->prompt) + e->at - e->left);
}

void lineedit_erase(struct lineedit *e)
{
    if (e->shown)
        send(e, "\r\033[K");
    e->shown = false;
}

void lineedit_leave(struct lineedit *e)
{
    if (!e->shown)
        return;
    e->at = e->used;
    lineedit_draw(e);
    send(e, "\n");
    e->shown = false;
}
