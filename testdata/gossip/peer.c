//  One zgossip actor of czmq, driven by lines on standard input:
//
//      BIND endpoint           answered by PORT number
//      CONNECT endpoint
//      PUBLISH key value
//      STATUS                  answered by STATUS number of tuples
//
//  What it learns is told as DELIVER key value. It ends with its input, and says ENDED if the actor ends by itself.
//
//  Build: cc -o peer peer.c -lczmq -lzmq

#include <czmq.h>

static zactor_t *actor;

static void
command (char *line)
{
    char *name = strtok (line, " ");
    char *first = strtok (NULL, " ");
    char *second = strtok (NULL, " ");
    if (!name)
        return;
    if (streq (name, "BIND") && first) {
        zstr_sendx (actor, "BIND", first, NULL);
        zstr_send (actor, "PORT");
    }
    else
    if (streq (name, "CONNECT") && first)
        zstr_sendx (actor, "CONNECT", first, NULL);
    else
    if (streq (name, "PUBLISH") && first)
        zstr_sendx (actor, "PUBLISH", first, second? second: "", NULL);
    else
    if (streq (name, "STATUS"))
        zstr_send (actor, "STATUS");
    else
        printf ("UNKNOWN %s\n", name);
}

//  Handles the whole lines that have come; returns false at the end of the input.
static bool
input (void)
{
    static char buffer [65536];
    static size_t used = 0;
    ssize_t size = read (0, buffer + used, sizeof (buffer) - 1 - used);
    if (size <= 0)
        return false;
    used += size;
    buffer [used] = 0;
    char *start = buffer, *end;
    while ((end = strchr (start, '\n'))) {
        *end = 0;
        command (start);
        start = end + 1;
    }
    used -= start - buffer;
    memmove (buffer, start, used);
    return true;
}

//  Prints what the actor says; returns false if that is its end.
static bool
output (void)
{
    zmsg_t *msg = zmsg_recv (actor);
    if (!msg)
        return false;
    bool ended = zmsg_signal (msg) >= 0;
    if (ended)
        puts ("ENDED");
    else {
        char *word;
        const char *gap = "";
        while ((word = zmsg_popstr (msg))) {
            printf ("%s%s", gap, word);
            gap = " ";
            zstr_free (&word);
        }
        puts ("");
    }
    zmsg_destroy (&msg);
    return !ended;
}

int
main (void)
{
    setvbuf (stdout, NULL, _IOLBF, 0);
    zsys_init ();
    zsys_set_logstream (stderr);
    actor = zactor_new (zgossip, "peer");
    int in = 0;
    zpoller_t *poller = zpoller_new (actor, NULL);
    zpoller_add (poller, &in);
    bool alive = true;
    while (alive) {
        void *which = zpoller_wait (poller, -1);
        if (which == &in)
            alive = input ();
        else
        if (which == actor)
            alive = output ();
        else
            break;
    }
    zpoller_destroy (&poller);
    zactor_destroy (&actor);
    return 0;
}
