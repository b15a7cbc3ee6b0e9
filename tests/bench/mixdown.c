/* What the mix-down is compared with; compiled by mixdown.py beside it.
 *
 *   mixdown play SERVER NAME                noise on NAME:out until SIGTERM
 *   mixdown mix SERVER NAME STRIPS BUSES    the mix-down's loop in C until SIGTERM
 *   mixdown wake SECONDS                    how late this machine wakes a timer
 *
 * "mix" does in its callback what the Python one does: all strips onto all buses with
 * gains, and the peak and the sum of squares of each; it prints one line,
 * "callbacks p50 p99 max xruns", in microseconds. "wake" runs above JACK's priority and
 * prints "p99 max" of a timer of 1 ms: what no program on this machine can better.
 */
#define _GNU_SOURCE
#include <math.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* JACK's own header is in a package that nothing else here needs. */
typedef struct client jack_client_t;
typedef struct port jack_port_t;
typedef uint32_t jack_nframes_t;
enum { JackNoStartServer = 0x01, JackServerName = 0x04 };
enum { JackPortIsInput = 0x1, JackPortIsOutput = 0x2 };
#define JACK_DEFAULT_AUDIO_TYPE "32 bit float mono audio"
jack_client_t *jack_client_open(const char *, int, int *, ...);
int jack_client_close(jack_client_t *);
int jack_activate(jack_client_t *);
int jack_deactivate(jack_client_t *);
jack_port_t *jack_port_register(jack_client_t *, const char *, const char *,
                                unsigned long, unsigned long);
void *jack_port_get_buffer(jack_port_t *, jack_nframes_t);
int jack_set_process_callback(jack_client_t *, int (*)(jack_nframes_t, void *), void *);
int jack_set_xrun_callback(jack_client_t *, int (*)(void *), void *);

#define LONGEST_US 25000
#define ROWS_MAX 256

static jack_port_t *ins[ROWS_MAX], *outs[ROWS_MAX];
static int in_count, out_count;
static float gains[ROWS_MAX][ROWS_MAX];
static float peaks[2 * ROWS_MAX], squares[2 * ROWS_MAX];
static unsigned long counts[LONGEST_US + 1], callbacks, longest, xruns;
static float noise[8192];

static long now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000L + t.tv_nsec / 1000;
}

static void note(long us) {
    callbacks++;
    if ((unsigned long)us > longest) longest = us;
    counts[us < LONGEST_US ? us : LONGEST_US]++;
}

static long quantile(double share) {
    unsigned long seen = 0;
    for (long us = 0; us <= LONGEST_US; us++) {
        seen += counts[us];
        if (seen >= share * callbacks) return us;
    }
    return LONGEST_US;
}

static void measure(int row, const float *samples, jack_nframes_t frames) {
    float peak = peaks[row], sum = 0;
    for (jack_nframes_t n = 0; n < frames; n++) {
        float level = fabsf(samples[n]);
        if (level > peak) peak = level;
        sum += samples[n] * samples[n];
    }
    peaks[row] = peak;
    squares[row] += sum;
}

static int mix(jack_nframes_t frames, void *unused) {
    (void)unused;
    long began = now_us();
    const float *x[ROWS_MAX];
    for (int i = 0; i < in_count; i++) {
        x[i] = jack_port_get_buffer(ins[i], frames);
        measure(i, x[i], frames);
    }
    for (int o = 0; o < out_count; o++) {
        float *y = jack_port_get_buffer(outs[o], frames);
        memset(y, 0, frames * sizeof *y);
        for (int i = o % 2; i < in_count; i += 2) {
            float gain = gains[o][i];
            for (jack_nframes_t n = 0; n < frames; n++) y[n] += gain * x[i][n];
        }
        measure(in_count + o, y, frames);
    }
    note(now_us() - began);
    return 0;
}

static int play(jack_nframes_t frames, void *unused) {
    (void)unused;
    memcpy(jack_port_get_buffer(outs[0], frames), noise, frames * sizeof *noise);
    return 0;
}

static int xrun(void *unused) {
    (void)unused;
    xruns++;
    return 0;
}

static jack_port_t *port(jack_client_t *client, const char *stem, int n, int flags) {
    char name[64];
    snprintf(name, sizeof name, "%s%d_%d", stem, n / 2, n % 2 + 1);
    return jack_port_register(client, name, JACK_DEFAULT_AUDIO_TYPE, flags, 0);
}

static int wake(double seconds) {
    struct sched_param above = {.sched_priority = 90};
    if (sched_setscheduler(0, SCHED_FIFO, &above)) return 1;
    long next = now_us(), end = next + seconds * 1e6;
    while (next < end) {
        next += 1000;
        struct timespec at = {next / 1000000, next % 1000000 * 1000};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
        note(now_us() - next);
    }
    printf("%ld %lu\n", quantile(0.99), longest);
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 3 && !strcmp(argv[1], "wake")) return wake(atof(argv[2]));
    if (argc < 4) return 2;
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigprocmask(SIG_BLOCK, &ends, NULL);
    jack_client_t *client =
        jack_client_open(argv[3], JackNoStartServer | JackServerName, NULL, argv[2]);
    if (!client) return 3;
    int mixing = argc == 6;
    if (mixing) {
        in_count = 2 * atoi(argv[4]);
        out_count = 2 * atoi(argv[5]);
        for (int i = 0; i < in_count; i++)
            ins[i] = port(client, "strip", i, JackPortIsInput);
        for (int o = 0; o < out_count; o++) {
            outs[o] = port(client, "bus", o, JackPortIsOutput);
            for (int i = 0; i < in_count; i++) gains[o][i] = 0.03f;
        }
    } else {
        outs[0] = jack_port_register(client, "out", JACK_DEFAULT_AUDIO_TYPE,
                                     JackPortIsOutput, 0);
        for (int n = 0; n < 8192; n++) noise[n] = 0.1f * (rand() / (float)RAND_MAX - 0.5f);
    }
    jack_set_process_callback(client, mixing ? mix : play, NULL);
    jack_set_xrun_callback(client, xrun, NULL);
    if (jack_activate(client)) return 3;
    puts("ready");
    fflush(stdout);
    int number;
    sigwait(&ends, &number);
    jack_deactivate(client);
    if (mixing)
        printf("%lu %ld %ld %lu %lu\n", callbacks, quantile(0.5), quantile(0.99), longest,
               xruns);
    jack_client_close(client);
    return 0;
}
