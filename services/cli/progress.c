#include "cli/progress.h"

#include "cli/console.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TEXT_BYTES_MAX (64u << 10)
#define WIDTH_DEFAULT 80
#define BAR_COLUMNS 30

static const struct phase_words {
	const char *phase, *words;
} phases[] = {
    {"ingest", "waiting for samples"},
    {"generate", "asking the LLM for demonstrations"},
    {"augment", "asking the LLM for second views"},
    {"embed", "embedding the samples"},
    {"retrieve", "finding each sample's demonstrations"},
    {"annotate", "asking the LLM for labels"},
    {"train", "training the small model"},
    {"select", "telling clean labels from noisy ones"},
    {"decide", "deciding on the next round"},
    {"final_train", "training the final model"},
    {"predict", "labelling with the final model"},
    {"done", "done"},
};

static const char *text_of(const json_t *status, const char *key)
{
	const char *text = json_string_value(json_object_get(status, key));
	return text ? text : "";
}

static uint64_t count_of(const json_t *status, const char *key)
{
	json_int_t n = json_integer_value(json_object_get(status, key));
	return n > 0 ? (uint64_t)n : 0;
}

static double number_of(const json_t *status, const char *key)
{
	return json_number_value(json_object_get(status, key));
}

static const char *phase_in_words(const char *phase)
{
	for (size_t i = 0; i < sizeof phases / sizeof *phases; i++)
		if (strcmp(phases[i].phase, phase) == 0)
			return phases[i].words;
	return phase;
}

void progress_time(double seconds, struct buf *out)
{
	uint64_t s = seconds < 1e9 ? (uint64_t)llround(fmax(seconds, 0)) : 1000000000;
	if (s < 60)
		buf_printf(out, "%" PRIu64 " s", s);
	else if (s < 3600)
		buf_printf(out, "%" PRIu64 " min %" PRIu64 " s", s / 60, s % 60);
	else
		buf_printf(out, "%" PRIu64 " h %" PRIu64 " min", s / 3600, s / 60 % 60);
}

/* 1234567 as "1.2 M". */
static void add_large(uint64_t n, struct buf *out)
{
	if (n < 10000)
		buf_printf(out, "%" PRIu64, n);
	else if (n < 1000000)
		buf_printf(out, "%.0f k", (double)n / 1e3);
	else
		buf_printf(out, "%.1f M", (double)n / 1e6);
}

static bool phase_has_rounds(const char *phase)
{
	static const char *const plain[] = {"",	       "ingest", "augment", "embed", "final_train",
					    "predict", "done"};
	for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
		if (strcmp(phase, plain[i]) == 0)
			return false;
	return true;
}

/* The phase is about samples that came while the LLM was asked, and about these alone. */
static bool phase_is_of_arrivals(const json_t *status)
{
	const char *phase = text_of(status, "phase");
	return json_is_true(json_object_get(status, "frozen")) &&
	       (strcmp(phase, "augment") == 0 || strcmp(phase, "embed") == 0 ||
		strcmp(phase, "retrieve") == 0 || strcmp(phase, "annotate") == 0);
}

/* Samples that came too late for the round. */
static uint64_t waiting_count(const json_t *status)
{
	uint64_t samples = count_of(status, "samples"), in_round = count_of(status, "in_round");
	bool frozen = json_is_true(json_object_get(status, "frozen"));
	return frozen && samples > in_round ? samples - in_round : 0;
}

/* ", 5/s, 6 s left", as far as it is known; a run that waits for a person has none. */
static void add_rate(const json_t *status, struct buf *out)
{
	uint64_t done = count_of(status, "done"), total = count_of(status, "total");
	double rate = number_of(status, "rate");
	if (text_of(status, "blocked")[0]) {
		buf_add_str(out, ", waiting for you");
		return;
	}
	if (!(rate > 0))
		return;
	if (rate >= 0.1)
		buf_printf(out, rate < 10 ? ", %.1f/s" : ", %.0f/s", rate);
	if (total <= done)
		return;
	buf_add_str(out, ", ");
	progress_time((double)(total - done) / rate, out);
	buf_add_str(out, " left");
}

static void add_llm(const json_t *status, struct buf *out)
{
	buf_add_str(out, "LLM: ");
	add_large(count_of(status, "requests"), out);
	buf_add_str(out, " requests, ");
	add_large(count_of(status, "tokens_in"), out);
	buf_add_str(out, " + ");
	add_large(count_of(status, "tokens_out"), out);
	buf_add_str(out, " tokens");
	if (number_of(status, "usd") > 0)
		buf_printf(out, ", $%.*f", number_of(status, "usd") < 0.1 ? 4 : 2,
			   number_of(status, "usd"));
}

void progress_line(const json_t *status, struct buf *out)
{
	const char *phase = text_of(status, "phase");
	uint64_t done = count_of(status, "done"), total = count_of(status, "total");
	if (phase_has_rounds(phase))
		buf_printf(out, "round %" PRIu64 " ", count_of(status, "round"));
	buf_add_str(out, phase);
	if (phase_is_of_arrivals(status))
		buf_add_str(out, " (later samples)");
	if (total) {
		buf_printf(out, " %" PRIu64 "/%" PRIu64 " (%" PRIu64 " %%)", done, total,
			   done >= total ? 100 : done * 100 / total);
		add_rate(status, out);
	}
	if (count_of(status, "requests")) {
		buf_add_str(out, "; ");
		add_llm(status, out);
	}
	if (count_of(status, "set_aside"))
		buf_printf(out, "; %" PRIu64 " without an answer", count_of(status, "set_aside"));
}

void progress_alarm(const json_t *status, struct buf *out)
{
	const char *reason = text_of(status, "blocked");
	if (!reason[0])
		return;
	buf_printf(out,
		   "WAITING FOR YOU: %s. Mend it there, or stop with Ctrl-C, change key or "
		   "task file, and run the same command again; nothing is lost.",
		   reason);
}

/* Cuts what was added from `from` on to `width` columns, and ends the line. */
static void line_end(struct buf *out, size_t from, unsigned width)
{
	unsigned columns = 0;
	for (size_t i = from; i < out->size; i++) {
		if (((unsigned char)out->data[i] & 0xc0) == 0x80)
			continue;
		if (columns++ == width) {
			out->size = i;
			out->data[i] = '\0';
			break;
		}
	}
	buf_add_char(out, '\n');
}

static void block_bar(const json_t *status, struct buf *out)
{
	uint64_t done = count_of(status, "done"), total = count_of(status, "total");
	char a[32], b[32];
	if (done > total)
		done = total;
	unsigned filled = (unsigned)((double)done / (double)total * BAR_COLUMNS);
	buf_add_str(out, "  [");
	for (unsigned i = 0; i < BAR_COLUMNS; i++)
		buf_add_char(out, i < filled ? '#' : '.');
	buf_printf(out, "] %s / %s", console_count(a, done), console_count(b, total));
	add_rate(status, out);
}

static void block_samples(const json_t *status, struct buf *out)
{
	char a[32], b[32];
	buf_printf(out, "  %s of %s samples labelled",
		   console_count(a, count_of(status, "labelled")),
		   console_count(b, count_of(status, "samples")));
	if (count_of(status, "set_aside"))
		buf_printf(out, ", %s without an answer",
			   console_count(a, count_of(status, "set_aside")));
	if (waiting_count(status))
		buf_printf(out, ", %s wait for the next round",
			   console_count(a, waiting_count(status)));
}

void progress_block(const json_t *status, unsigned width, struct buf *out)
{
	const char *phase = text_of(status, "phase");
	size_t from = out->size;
	buf_add_str(out, text_of(status, "task"));
	if (phase_has_rounds(phase))
		buf_printf(out, ", round %" PRIu64 " (%" PRIu64 " in all)",
			   count_of(status, "round"), count_of(status, "rounds"));
	buf_printf(out, ": %s%s", phase_in_words(phase),
		   phase_is_of_arrivals(status) ? " (of samples that came later)" : "");
	line_end(out, from, width);
	if (count_of(status, "total")) {
		from = out->size;
		block_bar(status, out);
		line_end(out, from, width);
	}
	from = out->size;
	block_samples(status, out);
	line_end(out, from, width);
	from = out->size;
	buf_add_str(out, "  ");
	add_llm(status, out);
	line_end(out, from, width);
}

static unsigned terminal_width(FILE *out)
{
	struct winsize size;
	if (ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 20)
		return size.ws_col;
	return WIDTH_DEFAULT;
}

/* Writes the block over the one that stands there. */
static void show_block(struct progress *p, const json_t *status)
{
	struct buf block, screen;
	buf_init(&block, TEXT_BYTES_MAX);
	buf_init(&screen, TEXT_BYTES_MAX);
	/* The last column stays free: some terminals wrap as soon as it is filled. */
	progress_block(status, terminal_width(p->out) - 1, &block);
	if (p->block_lines)
		buf_printf(&screen, "\033[%uA", p->block_lines);
	p->block_lines = 0;
	for (const char *line = buf_str(&block), *end; (end = strchr(line, '\n')); line = end + 1) {
		buf_printf(&screen, "\r%.*s\033[K\n", (int)(end - line), line);
		p->block_lines++;
	}
	buf_add_str(&screen, "\033[J");
	(void)fputs(buf_str(&screen), p->out);
	(void)fflush(p->out);
	buf_done(&block);
	buf_done(&screen);
}

static void show_line(struct progress *p, const json_t *status, uint64_t now_ms)
{
	char phase[sizeof p->phase];
	(void)snprintf(phase, sizeof phase, "%.40s %" PRIu64, text_of(status, "phase"),
		       count_of(status, "round"));
	bool changed = strcmp(phase, p->phase) != 0;
	if (!changed && now_ms - p->line_ms < PROGRESS_LINE_MS)
		return;
	p->line_ms = now_ms;
	memcpy(p->phase, phase, sizeof phase);
	struct buf line;
	buf_init(&line, TEXT_BYTES_MAX);
	progress_line(status, &line);
	if (strncmp(buf_str(&line), p->line, sizeof p->line - 1) != 0) {
		(void)snprintf(p->line, sizeof p->line, "%s", buf_str(&line));
		(void)fprintf(p->out, "freeal: %s\n", buf_str(&line));
		(void)fflush(p->out);
	}
	buf_done(&line);
}

/* A worker that is only being restarted is not spoken of. */
static void add_missing(struct progress *p, const json_t *status, uint64_t now_ms,
			struct buf *alarm)
{
	const char *missing = text_of(status, "missing");
	if (strcmp(missing, p->missing) != 0)
		p->missing_ms = now_ms;
	(void)snprintf(p->missing, sizeof p->missing, "%s", missing);
	if (missing[0] && now_ms - p->missing_ms >= PROGRESS_MISSING_MS)
		buf_printf(alarm, "WAITING: no %s is connected; its log says why", missing);
}

static void show_alarm(struct progress *p, const json_t *status, uint64_t now_ms)
{
	struct buf alarm;
	buf_init(&alarm, TEXT_BYTES_MAX);
	progress_alarm(status, &alarm);
	if (alarm.size == 0)
		add_missing(p, status, now_ms, &alarm);
	if (strncmp(buf_str(&alarm), p->alarm, sizeof p->alarm - 1) != 0) {
		progress_end(p);
		if (alarm.size)
			(void)fprintf(p->out, "freeal: %s%s%s\n", p->terminal ? "\033[1;31m" : "",
				      buf_str(&alarm), p->terminal ? "\033[0m" : "");
		else
			(void)fputs("freeal: it goes on\n", p->out);
		(void)snprintf(p->alarm, sizeof p->alarm, "%s", buf_str(&alarm));
	}
	buf_done(&alarm);
}

void progress_show(struct progress *p, const json_t *status, uint64_t now_ms)
{
	show_alarm(p, status, now_ms);
	if (p->terminal)
		show_block(p, status);
	else
		show_line(p, status, now_ms);
}

void progress_end(struct progress *p)
{
	p->block_lines = 0;
}
