/*
 * Children of `dues dev`.  Signals are blocked and taken one by one in dev_pump, so nothing here
 * runs inside a signal handler.  Each child leads its own process group: a Ctrl-C reaches us alone,
 * and we stop them in order.
 */
#include "cli/dev.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/time.h"

#define EXIT_NOT_STARTED 127
/* PostgreSQL kills its own children 5 s after a SIGQUIT. */
#define LAST_PATIENCE_MS 8000
/* A terminal, a shell and `timeout` may each send a signal for one and the same wish. */
#define SAME_WISH_US (500 * US_PER_MS)

static void watched_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGTERM);
    /* Ignored by whoever started us (nohup), it is to be without effect; blocked, it would wait. */
    struct sigaction hangup;
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN)
        sigaddset(signals, SIGHUP);
    sigaddset(signals, SIGCHLD);
}

void dev_signals_block(void)
{
    sigset_t signals;
    watched_signals(&signals);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    /* Ignored by whoever started us, it would take the children's ends away. */
    (void)signal(SIGCHLD, SIG_DFL);
}

static void drop_privileges(const struct dev *dev)
{
    if (geteuid() != 0)
        return;
    if (setgroups(1, &dev->postgres_group) != 0 || setgid(dev->postgres_group) != 0 ||
        setuid(dev->postgres_user) != 0)
        _exit(EXIT_NOT_STARTED);
}

/* In the child.  Does not return. */
static _Noreturn void become(const struct dev *dev, const struct child *child, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    (void)signal(SIGPIPE, SIG_DFL);
    setpgid(0, 0);
    if (child->unprivileged)
        drop_privileges(dev);
    /* After the change of user, which would forget it. */
    prctl(PR_SET_PDEATHSIG, child->death_signal);
    if (getppid() != parent)
        _exit(EXIT_NOT_STARTED);
    int input = child->input >= 0 ? child->input : open("/dev/null", O_RDONLY | O_CLOEXEC);
    dup2(input, STDIN_FILENO);
    if (child->output >= 0) {
        dup2(child->output, STDOUT_FILENO);
        dup2(child->output, STDERR_FILENO);
    }
    if (child->unprivileged && chdir(dev->directory) != 0)
        _exit(EXIT_NOT_STARTED);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execv(child->argv[0], (char *const *)(uintptr_t)child->argv);
    dprintf(STDERR_FILENO, "dues: could not run %s: %s\n", child->argv[0], strerror(errno));
    _exit(EXIT_NOT_STARTED);
}

const char *dev_spawn(struct dev *dev, const struct child *child, struct process *process)
{
    pid_t parent = getpid();
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        return arena_printf(dev->arena, "could not start %s: %s", child->argv[0], strerror(errno));
    if (pid == 0)
        become(dev, child, parent);
    *process = (struct process){.pid = pid};
    return NULL;
}

static void note_end(struct process *process, pid_t pid, int status)
{
    if (process->pid != pid)
        return;
    process->ended = true;
    process->status = status;
}

static void reap(struct dev *dev)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        note_end(&dev->postgres, pid, status);
        note_end(&dev->server, pid, status);
        note_end(&dev->simulator, pid, status);
        note_end(&dev->helper, pid, status);
    }
}

static void note_wish_to_stop(struct dev *dev, int signal_number)
{
    int64_t now_us = clock_monotonic_us(clock_system());
    if (!dev->stopping)
        dev->stopping_us = now_us;
    else if (signal_number != SIGHUP && now_us - dev->stopping_us >= SAME_WISH_US)
        dev->hurried = true;
    dev->stopping = true;
}

void dev_pump(struct dev *dev, int timeout_ms)
{
    sigset_t signals;
    watched_signals(&signals);
    struct timespec timeout = {.tv_sec = timeout_ms / 1000,
                               .tv_nsec = (long)(timeout_ms % 1000) * 1000000L};
    int signal_number =
        timeout_ms < 0 ? sigwaitinfo(&signals, NULL) : sigtimedwait(&signals, NULL, &timeout);
    if (signal_number == SIGINT || signal_number == SIGTERM || signal_number == SIGHUP)
        note_wish_to_stop(dev, signal_number);
    reap(dev);
}

const char *dev_end(const struct dev *dev, const struct process *process)
{
    return WIFSIGNALED(process->status)
               ? arena_printf(dev->arena, "signal %d", WTERMSIG(process->status))
               : arena_printf(dev->arena, "status %d", WEXITSTATUS(process->status));
}

const char *dev_run(struct dev *dev, const struct child *child, const char *what)
{
    const char *problem = dev_spawn(dev, child, &dev->helper);
    if (problem != NULL)
        return problem;
    while (!dev->helper.ended && !dev->stopping)
        dev_pump(dev, -1);
    dev_stop(dev, &dev->helper, SIGTERM, SIGKILL, 5000);
    if (dev->stopping)
        return "interrupted";
    if (dev->helper.status == 0)
        return NULL;
    return arena_printf(dev->arena, "%s failed with %s", what, dev_end(dev, &dev->helper));
}

bool dev_is_running(const struct process *process)
{
    return process->pid != 0 && !process->ended;
}

static void wait_for_end(struct dev *dev, struct process *process, int patience_ms,
                         bool unless_hurried)
{
    const struct clock *clock = clock_system();
    int64_t until_us = clock_monotonic_us(clock) + patience_ms * US_PER_MS;
    while (!process->ended && !(unless_hurried && dev->hurried) &&
           clock_monotonic_us(clock) < until_us)
        dev_pump(dev, 100);
}

bool dev_stop(struct dev *dev, struct process *process, int signal_number, int last_signal,
              int patience_ms)
{
    if (!dev_is_running(process))
        return false;
    kill(process->pid, signal_number);
    wait_for_end(dev, process, patience_ms, true);
    if (process->ended)
        return false;
    kill(process->pid, last_signal);
    wait_for_end(dev, process, LAST_PATIENCE_MS, false);
    if (!process->ended)
        kill(process->pid, SIGKILL);
    while (!process->ended)
        dev_pump(dev, 100);
    return true;
}
