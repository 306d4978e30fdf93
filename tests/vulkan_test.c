/* The Vulkan engine against the CPU engine's plain versions: every op on the cases of device_cases.c, with guards around
 * every buffer, and whole trainings. Runs on whatever `--device gpu` takes; where there is no GPU, that is Mesa's lavapipe. */

static Device *vulkan_test_device(void)
{
    static Device device;
    Err err = {0};
    if (!device.vulkan && !device_open(&device, "gpu", 0, &err)) {
        if (strstr(err.text, "loader") || strstr(err.text, "no device")) skip();
        fail_msg("%s", err.text);
    }
    return &device;
}

/* A copy of a case's arguments for the device: whatever points into a buffer points into the device's copy of it. */
static void vulkan_case_run(Device *device, DeviceCase *c)
{
    DeviceArena memory = {.device = device};
    char *on_device[DEVICE_BUFFERS];
    for (int b = 0; b < c->count; b++) {
        const size_t bytes = (c->buffers[b].count + 2 * DEVICE_GUARD) * sizeof(f32);
        on_device[b] = (char *)device_f32(&memory, c->buffers[b].count + 2 * DEVICE_GUARD);
        device_write(device, on_device[b], c->buffers[b].at - DEVICE_GUARD, bytes);
    }
    _Alignas(8) char args[sizeof c->args];
    memcpy(args, &c->args, sizeof args);
    for (size_t at = 0; at + 8 <= sizeof args; at += 8) {
        char *pointer;
        memcpy(&pointer, args + at, sizeof pointer);
        for (int b = 0; b < c->count; b++) {
            char *begin = (char *)(c->buffers[b].at - DEVICE_GUARD);
            if (pointer < begin || pointer > (char *)(c->buffers[b].at + c->buffers[b].count)) continue;
            pointer = on_device[b] + (pointer - begin);
            memcpy(args + at, &pointer, sizeof pointer);
            break;
        }
    }
    device_run(device, c->op, args);
    for (int b = 0; b < c->count; b++)
        device_read(device, c->buffers[b].at - DEVICE_GUARD, on_device[b], (c->buffers[b].count + 2 * DEVICE_GUARD) * sizeof(f32));
    Err err = {0};
    if (!device_ok(device, &err)) fail_msg("%s", err.text);
    device_arena_free(&memory);
}

static void test_vulkan_ops_match_plain(void **state)
{
    (void)state;
    Device *device = vulkan_test_device();
    double worst[OP_COUNT] = {0};
    for (int op = 0; op < OP_COUNT; op++) {
        DeviceCase expected, got;
        for (int variant = 0; device_case_build(&expected, (Op)op, variant); variant++) {
            plain_ops[op](&expected.args);
            device_case_build(&got, (Op)op, variant);
            device_case_remember(&got);
            vulkan_case_run(device, &got);
            device_case_check_guards(&got);
            const double nmse = device_case_difference(&expected, &got);
            if (!(nmse <= 1e-11)) DEVICE_FAIL("%s, variant %d: normalised mean squared error %.3g", op_names[op], variant, nmse);
            if (nmse > worst[op]) worst[op] = nmse;
            arena_free(&got.arena);
            arena_free(&expected.arena);
        }
    }
    for (int op = 0; op < OP_COUNT; op++) print_message("%-16s %.1e\n", op_names[op], worst[op]);
}

static const struct CMUnitTest vulkan_tests[] = {
    cmocka_unit_test(test_vulkan_ops_match_plain),
};
