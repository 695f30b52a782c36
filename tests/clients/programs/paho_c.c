/* Eclipse Paho C as a program of the client matrix; what it reads and writes is in tests/clients/matrix.py. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <MQTTClient.h>

enum { LINE_BYTES = 1024, WORDS_MAX = 16, WAIT_MS = 20000 };

static int version;
static MQTTClient client;

static const char *given(int count, char **arguments, const char *name) {
    size_t length = strlen(name);
    for (int i = 1; i < count; i++)
        if (!strncmp(arguments[i], name, length) && arguments[i][length] == '=') return arguments[i] + length + 1;
    return "";
}

static void check(int code, const char *what) {
    if (code == 0) return;
    fprintf(stderr, "%s failed with %d\n", what, code);
    exit(1);
}

static int arrived(void *context, char *topic, int topic_length, MQTTClient_message *message) {
    (void)context;
    (void)topic_length;
    printf("message %s %.*s %d %d", topic, message->payloadlen, (char *)message->payload, message->qos, message->retained);
    int count = MQTTProperties_propertyCount(&message->properties, MQTTPROPERTY_CODE_USER_PROPERTY);
    for (int i = 0; i < count; i++) {
        MQTTProperty *pair = MQTTProperties_getPropertyAt(&message->properties, MQTTPROPERTY_CODE_USER_PROPERTY, i);
        printf(" %.*s=%.*s", pair->value.data.len, pair->value.data.data, pair->value.value.len, pair->value.value.data);
    }
    printf("\n");
    MQTTClient_freeMessage(&message);
    MQTTClient_free(topic);
    return 1;
}

static MQTTClient_connectOptions initial(int is_web) {
    MQTTClient_connectOptions plain = MQTTClient_connectOptions_initializer, plain5 = MQTTClient_connectOptions_initializer5;
    MQTTClient_connectOptions web = MQTTClient_connectOptions_initializer_ws, web5 = MQTTClient_connectOptions_initializer5_ws;
    if (version == MQTTVERSION_5) return is_web ? web5 : plain5;
    return is_web ? web : plain;
}

static void connect_as_told(int count, char **arguments) {
    const char *url = given(count, arguments, "url"), *ca = given(count, arguments, "ca");
    int stored = !strcmp(given(count, arguments, "stored"), "1");
    version = atoi(given(count, arguments, "version"));
    MQTTClient_createOptions create = MQTTClient_createOptions_initializer;
    create.MQTTVersion = version;
    const char *id = given(count, arguments, "id");
    check(MQTTClient_createWithOptions(&client, url, id, MQTTCLIENT_PERSISTENCE_NONE, NULL, &create), "create");
    check(MQTTClient_setCallbacks(client, NULL, NULL, arrived, NULL), "callbacks");
    MQTTClient_connectOptions options = initial(!strncmp(url, "ws", 2));
    MQTTClient_SSLOptions tls = MQTTClient_SSLOptions_initializer;
    MQTTClient_willOptions will = MQTTClient_willOptions_initializer;
    options.keepAliveInterval = 30;
    options.MQTTVersion = version;
    options.username = given(count, arguments, "username");
    options.password = given(count, arguments, "password");
    if (*ca) {
        tls.trustStore = ca;
        tls.verify = 1;
        options.ssl = &tls;
    }
    will.topicName = given(count, arguments, "will_topic");
    will.message = given(count, arguments, "will_payload");
    will.qos = 1;
    if (*will.topicName) options.will = &will;
    if (version == MQTTVERSION_5) {
        MQTTProperties properties = MQTTProperties_initializer;
        MQTTProperty expiry = {.identifier = MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL, .value.integer4 = stored ? 300 : 0};
        MQTTProperties_add(&properties, &expiry);
        options.cleanstart = !stored;
        check(MQTTClient_connect5(client, &options, &properties, NULL).reasonCode, "connect");
    } else {
        options.cleansession = !stored;
        check(MQTTClient_connect(client, &options), "connect");
    }
    /* The synchronous library does not tell it in MQTT 5. */
    if (version == MQTTVERSION_5)
        printf("connected -\n");
    else
        printf("connected %d\n", options.returned.sessionPresent);
}

static void subscribe(char **words) {
    int qos = atoi(words[2]), granted;
    if (version == MQTTVERSION_5) {
        granted = MQTTClient_subscribe5(client, words[1], qos, NULL, NULL).reasonCode;
    } else {
        char *topics[] = {words[1]};
        granted = qos;
        check(MQTTClient_subscribeMany(client, 1, topics, &granted), "subscribe");
    }
    printf("subscribed %d\n", granted);
}

static void publish(char **words, int count) {
    MQTTClient_message message = MQTTClient_message_initializer;
    MQTTClient_deliveryToken token = 0;
    message.payload = words[2];
    message.payloadlen = (int)strlen(words[2]);
    message.qos = atoi(words[3]);
    message.retained = atoi(words[4]);
    for (int i = 5; i < count; i++) {
        char *value = strchr(words[i], '=');
        MQTTProperty pair = {.identifier = MQTTPROPERTY_CODE_USER_PROPERTY};
        pair.value.data = (MQTTLenString){(int)(value - words[i]), words[i]};
        pair.value.value = (MQTTLenString){(int)strlen(value + 1), value + 1};
        MQTTProperties_add(&message.properties, &pair);
    }
    if (version == MQTTVERSION_5)
        check(MQTTClient_publishMessage5(client, words[1], &message, &token).reasonCode, "publish");
    else
        check(MQTTClient_publishMessage(client, words[1], &message, &token), "publish");
    if (message.qos) check(MQTTClient_waitForCompletion(client, token, WAIT_MS), "completion");
    printf("published 0\n");
}

int main(int count, char **arguments) {
    char line[LINE_BYTES];
    setvbuf(stdout, NULL, _IOLBF, 0);
    connect_as_told(count, arguments);
    while (fgets(line, sizeof line, stdin)) {
        char *words[WORDS_MAX];
        int found = 0;
        for (char *word = strtok(line, " \n"); word && found < WORDS_MAX; word = strtok(NULL, " \n")) words[found++] = word;
        if (found == 3 && !strcmp(words[0], "subscribe")) {
            subscribe(words);
        } else if (found >= 5 && !strcmp(words[0], "publish")) {
            publish(words, found);
        } else if (found == 1 && !strcmp(words[0], "disconnect")) {
            check(version == MQTTVERSION_5 ? MQTTClient_disconnect5(client, WAIT_MS, MQTTREASONCODE_SUCCESS, NULL)
                                           : MQTTClient_disconnect(client, WAIT_MS),
                  "disconnect");
            printf("disconnected 0\n");
            return 0;
        }
    }
    return 0;
}
