/* The smallest function: what it reads is what it writes. Linked statically, its start costs next
   to nothing, so that what a host adds can be seen. */
#include <unistd.h>

static char buffer[65536];

int main(void) {
    for (;;) {
        ssize_t held = read(0, buffer, sizeof buffer), written = 0;
        if (held <= 0)
            return held < 0;
        while (written < held) {
            ssize_t count = write(1, buffer + written, held - written);
            if (count < 0)
                return 1;
            written += count;
        }
    }
}
