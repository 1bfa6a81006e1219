import java.net.InetSocketAddress;
import org.apache.hadoop.hive.conf.HiveConf;
import org.apache.hadoop.hive.metastore.HiveMetaStore;
import org.apache.hadoop.hive.metastore.TSetIpAddressProcessor;
import org.apache.hadoop.hive.metastore.api.ThriftHiveMetastore;
import org.apache.thrift.server.TThreadPoolServer;
import org.apache.thrift.transport.TServerSocket;

/**
 * The Hive Metastore, on the loopback address only.
 *
 * HiveMetaStore's own main listens on every address of the machine, and version 2.3 has no setting for it. This is the
 * same handler behind a socket of ours. Janino, which Spark ships, compiles and runs this file, so that no JDK is
 * needed; hence Java without type parameters.
 */
public final class LoopbackMetastore {
  private LoopbackMetastore() {}

  public static void main(String[] arguments) throws Exception {
    HiveConf settings = new HiveConf(HiveMetaStore.class);
    ThriftHiveMetastore.Iface handler = HiveMetaStore.newRetryingHMSHandler("entrega", settings, false);
    InetSocketAddress address = new InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[0]));
    TThreadPoolServer.Args options = new TThreadPoolServer.Args(new TServerSocket(address));
    options.processor(new TSetIpAddressProcessor(handler));
    options.minWorkerThreads(2).maxWorkerThreads(100);
    new TThreadPoolServer(options).serve();
  }
}
